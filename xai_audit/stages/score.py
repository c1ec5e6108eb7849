"""score: stored heatmaps -> where their relevance lies; needs masks and sizes, no model."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from xai_audit.attribute.parts import (
    Plan,
    drop_stale,
    noted_counts,
    noted_problems,
    pending,
    planned,
    score_parts,
    stored_fingerprint,
)
from xai_audit.errors import ConfigError
from xai_audit.network.compute import resolve
from xai_audit.run.files import is_readable
from xai_audit.run.manifest import counted, masks_fingerprint, settle
from xai_audit.run.paths import RunPaths
from xai_audit.run.progress import progress_bar
from xai_audit.run.record import code_version, fingerprint
from xai_audit.score.scorer import Scorer
from xai_audit.types import Preprocess
from xai_audit.vision.loader import LoadSettings, Photos

if TYPE_CHECKING:
    import pyarrow as pa

    from xai_audit.stages.context import Audit

log = logging.getLogger(__name__)

# Everything that decides a row of scores; a test derives it from the imports.
_CODE = (
    "worker/scoring.py",
    "worker/rows.py",
    "worker/parts.py",
    "worker/loader.py",
    "worker/adaptive.py",
    "metrics",
    "masks",
    "data",
    "manifest.py",
    "geometry.py",
    "types.py",
    "schema.py",
)


def score_fingerprint(audit: Audit, attributions: str) -> str:
    """What a scores part must say to be current with attributions of that fingerprint."""
    regions = audit.settings.regions
    return fingerprint(
        attributions,
        [regions.border, regions.corner],
        audit.keys["masks"],
        audit.masks.fingerprint(),
        masks_fingerprint(audit.selected()),
        code_version(*_CODE),
    )


def run(audit: Audit) -> None:
    """Score every part whose scores are missing or of another configuration."""
    attributions = stored_fingerprint(audit.paths.attributions)
    content = audit.record.content
    if attributions is None or not audit.record.is_current("attribute", attributions):
        raise ConfigError(
            "no whole set of heatmaps to score",
            where=audit.paths.attributions,
            remedy="add attribute to stages",
        )
    rows = audit.selected()
    plan = planned(
        rows.num_rows,
        content["part_size"],
        attributions=attributions,
        scores=score_fingerprint(audit, attributions),
    )
    with audit.record.timed("score", resumed=True):
        _score(audit, rows, plan)
    # What the scores were made with, for the report: the configuration may ask for another by then.
    content["regions"] = asdict(audit.settings.regions)
    audit.record.finished("score", plan.scores)
    settled(audit)


def _score(audit: Audit, rows: pa.Table, plan: Plan) -> None:
    """Commit the scores of every part that the pass over the photos did not score."""
    todo = pending(audit.paths.scores, plan.scores, plan.rows)
    if not todo:
        return
    audit.record.begin("score")
    drop_stale(audit.paths.scores, plan.scores, plan.rows)
    preprocess = Preprocess.from_json(audit.record.content["preprocess"])
    workers = audit.settings.compute.num_workers
    compute = resolve(device="cpu", precision="fp32", batch_size="auto", num_workers=workers)
    load = LoadSettings(
        root=audit.dataset.root,
        preprocess=preprocess,
        max_pixels=audit.settings.max_pixels,
        batch_size=compute.batch_size,
        num_workers=compute.num_workers,
        photos=False,
    )
    photos, scorer = Photos(rows, audit.masks, load), scorer_of(audit, preprocess, "cpu")
    done = rows.num_rows - sum(len(span) for span in todo.values())
    with progress_bar(
        "score", total=rows.num_rows, done=done, bar=audit.settings.progress
    ) as progress:
        for images in score_parts(photos, load, plan, audit.paths, scorer):
            progress(images)
            audit.stop.check()


def scorer_of(audit: Audit, preprocess: Preprocess, device: str) -> Scorer:
    """The Scorer of this audit's regions."""
    regions = audit.settings.regions
    return Scorer(
        preprocess=preprocess, border=regions.border, corner=regions.corner, device=device
    )


def settled(audit: Audit) -> None:
    """Bring what decoding and mask reading found into the manifest and the counts."""
    masks: dict[str, str] = {}
    for path in RunPaths.parts(audit.paths.scores):
        if not is_readable(path):  # the score stage makes it anew
            continue
        part = pq.read_table(path, columns=["image_id", "mask_status"])
        columns = (part.column(name).to_pylist() for name in ("image_id", "mask_status"))
        masks.update(zip(*columns, strict=True))
    manifest = settle(audit.paths.manifest, noted_problems(audit.paths.attributions), masks)
    audit.record.content["counts"] = counted(manifest) | noted_counts(audit.paths.attributions)
    audit.record.write()
