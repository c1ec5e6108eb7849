"""score: stored heatmaps -> where their relevance lies; needs masks and sizes, no model."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.schema import SCORES
from xai_audit.score.silent import silent_lines
from xai_audit.work.parts import files_of, read_parts
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xai_audit.run.progress import Progress
    from xai_audit.score.rows import Scorer
    from xai_audit.vision.loader import LoadSettings, Photos
    from xai_audit.work.audit import Audit

_VERSION = 1


def plan(audit: Audit) -> Plan:
    """A part for every part of the heatmaps."""
    attributions, own = read_parts(audit.paths, "attribute"), score_mark(audit, audit.selected())

    def parts() -> list[Part]:
        return [
            Part(part.number, part_mark(part.fingerprint, own), dict(part.args), part.size)
            for part in attributions
        ]

    return Plan(fingerprint([part.fingerprint for part in attributions], own), parts)


def score_mark(audit: Audit, rows: pa.Table) -> str:
    """Everything that decides the scores of ``rows`` besides the heatmaps."""
    regions = audit.settings.regions
    return fingerprint(_VERSION, [regions.border, regions.corner], audit.mask_mark(rows))


def part_mark(attributions: str, own: str) -> str:
    """The fingerprint of the scores of a part of the heatmaps."""
    return fingerprint(attributions, own)


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The scores of the stored heatmaps of each part."""
    from xai_audit.network.compute import resolve

    workers = audit.settings.compute.num_workers
    compute = resolve(device="cpu", precision="fp32", batch_size="auto", num_workers=workers)
    load = audit.load(batch_size=compute.batch_size, num_workers=compute.num_workers, photos=False)
    spans = [range(part.args["start"], part.args["stop"]) for part in parts]
    heatmaps = [RunPaths.part(audit.paths.attributions, part.number) for part in parts]
    scorer = scorer_of(audit, "cpu")
    tables = score_parts(audit.photos(audit.selected(), load), load, spans, heatmaps, scorer)
    for part, table in zip(parts, tables, strict=True):
        progress(part.size)
        yield Finished(part, table)


def scorer_of(audit: Audit, device: str) -> Scorer:
    """The Scorer of this audit's regions; loads torch."""
    from xai_audit.score.rows import Scorer

    regions = audit.settings.regions
    preprocess = audit.noted_facts().preprocess
    return Scorer(
        preprocess=preprocess, border=regions.border, corner=regions.corner, device=device
    )


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Note the regions that the scores are about, and what has no relevance in whole classes."""
    lines = silent_lines(files_of(audit.paths, SCORE, parts))
    # A later command may want other regions.
    return {"regions": asdict(audit.settings.regions), "without_relevance": lines}


def score_parts(
    photos: Photos,
    load: LoadSettings,
    spans: Sequence[range],
    heatmaps: Sequence[Path],
    scorer: Scorer,
) -> Iterator[pa.Table]:
    """The rows of SCORES of each part.

    Args:
        photos: the selected rows; only their masks are read.
        load: how.
        spans: the rows of each part.
        heatmaps: the attributions of each part.
        scorer: with the regions.
    """
    from xai_audit.score.rows import explained_from, ordered
    from xai_audit.vision.loader import batches

    stream = batches(photos, spans, load)
    for span, path in zip(spans, heatmaps, strict=True):
        attributions = pq.read_table(path)
        tables, done = [], 0
        while done < len(span):
            chunk, batch = next(stream)
            done += len(chunk)
            ids = [record.image_id for record in batch.records]
            tables += [scorer.rows(block, batch) for block in explained_from(attributions, ids)]
        yield ordered(tables, SCORES)


SCORE = Stage("score", "score", _VERSION, "scores", plan, merge, work, needs=("attribute",))
