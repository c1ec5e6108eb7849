"""adversarial: a sample of photos and the model -> the smallest changes that flip a decision."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.adversarial.attacker import Attacker
from xai_audit.adversarial.search import Settings
from xai_audit.attribute.parts import FINGERPRINT, drop_stale, pending
from xai_audit.network.compute import repeatable
from xai_audit.run.files import is_readable, write_table
from xai_audit.run.manifest import content_fingerprint, masks_fingerprint
from xai_audit.run.paths import RunPaths
from xai_audit.run.progress import progress_bar
from xai_audit.run.record import code_version, fingerprint
from xai_audit.run.sample import drawn
from xai_audit.schema import ADVERSARIAL, OK
from xai_audit.stages.score import scorer_of
from xai_audit.vision.loader import LoadSettings, Photos, batches

if TYPE_CHECKING:
    from xai_audit.stages.context import Audit

log = logging.getLogger(__name__)

# Everything that decides a row; a test derives it from the imports.
_CODE = (
    "adversarial",
    "worker",
    "metrics",
    "models",
    "masks",
    "data",
    "methods/seeds.py",
    "manifest.py",
    "geometry.py",
    "layout.py",
    "types.py",
    "schema.py",
)
# Images a part: what a kill can cost.
_PART = 8


def run(audit: Audit) -> None:
    """Attack every sampled image that no committed part holds yet; none with ``images`` 0."""
    rows = _sampled(audit)
    mark = _mark(audit, rows) if rows.num_rows else fingerprint(code_version(*_CODE))
    target = audit.paths.adversarial
    if audit.record.is_current("adversarial", mark) and is_readable(target):
        return
    starts = range(0, rows.num_rows, _PART)
    plan = {n: range(s, min(s + _PART, rows.num_rows)) for n, s in enumerate(starts)}
    # For the report: the configuration may ask for another by then.
    audit.record.content["adversarial"] = {"max_epsilon": audit.settings.adversarial.max_epsilon}
    audit.record.begin("adversarial")
    folder = audit.paths.adversarial_parts
    drop_stale(folder, mark, plan)
    todo = pending(folder, mark, plan)
    with (
        audit.record.timed("adversarial", resumed=len(todo) < len(plan)),
        repeatable(audit.settings.compute.deterministic),
    ):
        if todo:
            _attack(audit, rows, todo, mark)
    parts = [pq.read_table(RunPaths.part(folder, number)) for number in plan]
    table = pa.concat_tables([ADVERSARIAL.empty_table(), *parts])
    write_table(target, table)
    flipped = pc.sum(pc.equal(table.column("status"), OK)).as_py() or 0
    log.info("adversarial: %d of %d attacks flip the decision", flipped, table.num_rows)
    audit.record.finished("adversarial", mark)


def _sampled(audit: Audit) -> pa.Table:
    """The rows of the manifest that are attacked."""
    return drawn(audit.selected(), audit.settings.adversarial.images, audit.settings.seed)


def _mark(audit: Audit, rows: pa.Table) -> str:
    """What a part must say to be current."""
    model, weights = audit.model
    chosen, regions = audit.settings.adversarial, audit.settings.regions
    return fingerprint(
        content_fingerprint(rows),
        weights,
        asdict(model.preprocess),
        audit.keys["masks"],
        audit.masks.fingerprint(),
        masks_fingerprint(rows),
        [regions.border, regions.corner],
        [chosen.steps, chosen.max_epsilon],
        audit.settings.seed,
        code_version(*_CODE),
    )


def _attack(audit: Audit, rows: pa.Table, todo: dict[int, range], mark: str) -> None:
    """Commit every part of ``todo``."""
    compute, (model, _) = audit.compute, audit.model
    load = LoadSettings(
        root=audit.dataset.root,
        preprocess=model.preprocess,
        max_pixels=audit.settings.max_pixels,
        batch_size=_PART,
        num_workers=min(compute.num_workers, len(todo)),
        pin_memory=compute.device != "cpu",
    )
    attacker = _attacker(audit)
    done = rows.num_rows - sum(map(len, todo.values()))
    stream = batches(Photos(rows, audit.masks, load), list(todo.values()), load)
    bar = audit.settings.progress
    with progress_bar("adversarial", total=rows.num_rows, done=done, bar=bar) as progress:
        for number, (span, batch) in zip(todo, stream, strict=True):
            target = RunPaths.part(audit.paths.adversarial_parts, number)
            write_table(target, attacker.rows(batch), {FINGERPRINT: mark})
            progress(len(span))
            audit.stop.check()
    audit.record.content["adversarial"] |= {
        "forwards": attacker.decision.forwards,
        "oom_retries": attacker.adaptive.retries,
    }


def _attacker(audit: Audit) -> Attacker:
    """The model with the regions and how hard to search."""
    compute, (model, _) = audit.compute, audit.model
    chosen = audit.settings.adversarial
    return Attacker(
        model,
        scorer_of(audit, model.preprocess, compute.device),
        Settings(chosen.max_epsilon, chosen.steps, audit.settings.seed),
        batch_size=compute.batch_size,
        check=audit.stop.check,
    )
