"""Part files: the rows of a range of the manifest, committed whole or not at all.

A part is done when its file exists with the right fingerprint in its metadata; what is missing is
the plan less what is done, so the same command again resumes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.run.files import read_notes, remove_leftovers, write_table
from xai_audit.run.paths import RunPaths
from xai_audit.schema import ATTRIBUTIONS, SCORES
from xai_audit.score.rows import attribution_rows, explained_from
from xai_audit.vision.loader import batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from xai_audit.attribute.explain import Explainer
    from xai_audit.score.rows import Explained
    from xai_audit.score.scorer import Scorer
    from xai_audit.types import Attributor
    from xai_audit.vision.loader import Batch, LoadSettings, Photos

FINGERPRINT, _COUNTS, _PROBLEMS = "fingerprint", "counts", "problems"


@dataclass(frozen=True)
class Plan:
    """Which rows each part covers and what its files must say.

    Attributes:
        rows: part number -> rows of the selected manifest.
        attributions: fingerprint of an attributions part.
        scores: fingerprint of a scores part.
    """

    rows: dict[int, range]
    attributions: str
    scores: str


def planned(images: int, part_size: int, *, attributions: str, scores: str) -> Plan:
    """The plan for ``images`` selected rows in parts of ``part_size``."""
    starts = range(0, images, part_size)
    rows = {
        number: range(start, min(start + part_size, images)) for number, start in enumerate(starts)
    }
    return Plan(rows, attributions, scores)


def pending(folder: Path, fingerprint: str, rows: dict[int, range]) -> dict[int, range]:
    """The parts of ``rows`` that ``folder`` does not hold yet with ``fingerprint``."""
    return {
        number: span
        for number, span in rows.items()
        if read_notes(RunPaths.part(folder, number)).get(FINGERPRINT) != fingerprint
    }


def drop_stale(folder: Path, fingerprint: str, rows: dict[int, range]) -> None:
    """Delete parts of another configuration, so that old and new rows never stand together."""
    remove_leftovers(folder)
    wanted = {RunPaths.part(folder, number) for number in rows}
    for path in RunPaths.parts(folder):
        if path not in wanted or read_notes(path).get(FINGERPRINT) != fingerprint:
            path.unlink()


@dataclass
class _Part:
    """What has been gathered of one part so far."""

    attributions: list[pa.Table] = field(default_factory=list)
    scores: list[pa.Table] = field(default_factory=list)
    problems: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pass:
    """Everything that one pass over the photos needs.

    Attributes:
        explainer: explains batches.
        methods: all of them see each batch.
        photos: the selected rows of the manifest.
        load: how they are read.
        plan: which parts there are.
        paths: where parts go.
        scorer: None leaves scoring for later.
    """

    explainer: Explainer
    methods: Sequence[Attributor]
    photos: Photos
    load: LoadSettings
    plan: Plan
    paths: RunPaths
    scorer: Scorer | None


def attribute_parts(work: Pass, rows: dict[int, range]) -> Iterator[tuple[int, bool]]:
    """Explain ``rows``, committing each part in order.

    Yields:
        (images, committed) after every batch; whoever iterates may stop after a commit.
    """
    stream = batches(work.photos, list(rows.values()), work.load)
    for number, span in rows.items():
        part, before, done = _Part(), _counts(work.explainer), 0
        while done < len(span):
            chunk, batch = next(stream)
            _explain(work, batch, part)
            done += len(chunk)
            if done < len(span):
                yield len(chunk), False
        _commit(work, number, part, before)
        yield len(chunk), True


def _explain(work: Pass, batch: Batch, part: _Part) -> None:
    part.problems.update(batch.problems)
    if not batch.records:
        return

    def rows(block: Explained) -> tuple[pa.Table, pa.Table | None]:
        scores = None if work.scorer is None else work.scorer.rows(block, batch)
        return attribution_rows(block), scores

    tables, problems = work.explainer.explain(work.methods, batch, rows)
    part.problems.update(problems)
    part.attributions += [attributions for attributions, _ in tables]
    part.scores += [scores for _, scores in tables if scores is not None]


def _counts(explainer: Explainer) -> dict[str, int]:
    return {
        "oom_retries": explainer.adaptive.retries,
        "nonfinite_retries": explainer.nonfinite_retries,
    }


def _commit(work: Pass, number: int, part: _Part, before: dict[str, int]) -> None:
    after = _counts(work.explainer)
    notes = {
        FINGERPRINT: work.plan.attributions,
        _PROBLEMS: json.dumps(part.problems),
        _COUNTS: json.dumps({name: after[name] - before[name] for name in after}),
    }
    target = RunPaths.part(work.paths.attributions, number)
    write_table(target, _whole(part.attributions, ATTRIBUTIONS, part.problems), notes)
    if work.scorer is not None:
        notes = {FINGERPRINT: work.plan.scores}
        target = RunPaths.part(work.paths.scores, number)
        write_table(target, _whole(part.scores, SCORES, part.problems), notes)


def _whole(tables: list[pa.Table], schema: pa.Schema, problems: Iterable[str]) -> pa.Table:
    """One table in one order whatever the batch size, without images that a method failed on."""
    if not tables:
        return schema.empty_table()
    table = pa.concat_tables(tables).combine_chunks()
    if problems:
        failed = pc.is_in(table.column("image_id"), value_set=pa.array(list(problems)))
        table = table.filter(pc.invert(failed))
    # Blocks came a method or a grid at a time; rows of an image belong together.
    image = pc.dictionary_encode(table.column("image_id")).combine_chunks().indices
    keys = pa.table({"image": image, "method": table.column("method")})
    keys = keys.append_column("row", pa.array(np.arange(table.num_rows)))
    order = [(name, "ascending") for name in ("image", "method", "row")]
    return table.take(pc.sort_indices(keys, sort_keys=order))


def score_parts(
    photos: Photos, load: LoadSettings, plan: Plan, paths: RunPaths, scorer: Scorer
) -> Iterator[int]:
    """Score the stored heatmaps of every part that has no scores yet, without the model.

    Yields:
        The number of images of each part after it is committed.
    """
    rows = pending(paths.scores, plan.scores, plan.rows)
    stream = batches(photos, list(rows.values()), load)
    for number, span in rows.items():
        attributions = pq.read_table(RunPaths.part(paths.attributions, number))
        tables, done = [], 0
        while done < len(span):
            chunk, batch = next(stream)
            done += len(chunk)
            ids = [record.image_id for record in batch.records]
            tables += [scorer.rows(block, batch) for block in explained_from(attributions, ids)]
        target = RunPaths.part(paths.scores, number)
        write_table(target, _whole(tables, SCORES, ()), {FINGERPRINT: plan.scores})
        yield len(span)


def noted_problems(folder: Path) -> dict[str, tuple[str, str]]:
    """image_id -> (status, message) of every image that the parts of ``folder`` could not use."""
    found: dict[str, tuple[str, str]] = {}
    for path in RunPaths.parts(folder):
        noted = json.loads(read_notes(path).get(_PROBLEMS, "{}"))
        found.update({image_id: (status, message) for image_id, (status, message) in noted.items()})
    return found


def noted_counts(folder: Path) -> dict[str, int]:
    """Retries of each kind, summed over the parts of ``folder``."""
    total = {"oom_retries": 0, "nonfinite_retries": 0}
    for path in RunPaths.parts(folder):
        for name, count in json.loads(read_notes(path).get(_COUNTS, "{}")).items():
            total[name] += count
    return total


def stored_fingerprint(folder: Path) -> str | None:
    """The fingerprint that all parts of ``folder`` share, None where there are none or several."""
    found = {read_notes(path).get(FINGERPRINT) for path in RunPaths.parts(folder)}
    return found.pop() if len(found) == 1 else None
