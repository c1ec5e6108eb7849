"""attribute: photos -> predictions and heatmaps in part files, scored in the same pass."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from xai_audit.attribute.explain import Explainer
from xai_audit.attribute.parts import (
    Pass,
    Plan,
    attribute_parts,
    drop_stale,
    pending,
    planned,
)
from xai_audit.attribute.targets import resolved
from xai_audit.network.compute import repeatable
from xai_audit.run.manifest import content_fingerprint
from xai_audit.run.progress import progress_bar
from xai_audit.run.record import code_version, fingerprint
from xai_audit.run.stop import PATIENCE
from xai_audit.stages.score import score_fingerprint, scorer_of, settled
from xai_audit.vision.loader import LoadSettings, Photos

if TYPE_CHECKING:
    import pyarrow as pa

    from xai_audit.stages.context import Audit

log = logging.getLogger(__name__)

# Everything that decides a row of attributions; a test derives it from the imports.
_CODE = (
    "worker",
    "metrics",
    "models",
    "methods",
    "data",
    "manifest.py",
    "geometry.py",
    "heads.py",
    "layout.py",
    "types.py",
    "schema.py",
)

# Keys of the model group that are noted resolved, or that only say where the weights came from.
_NOT_THE_FUNCTION = (
    "name", "preprocess", "target_layer", "head", "checkpoint", "trust_checkpoint",
)  # fmt: skip


def run(audit: Audit) -> None:
    """Explain every selected image that no committed part holds yet."""
    rows = audit.selected()
    plan = _plan(audit, rows)
    todo = pending(audit.paths.attributions, plan.attributions, plan.rows)
    if todo:
        with repeatable(audit.settings.compute.deterministic):
            work = _pass(audit, rows, plan)
            audit.engine.run(lambda: _attribute(audit, work, todo))
    else:
        log.info("attribute: nothing to do")
    audit.record.finished("attribute", plan.attributions)
    settled(audit)


def _plan(audit: Audit, rows: pa.Table) -> Plan:
    part_size = audit.settings.compute.part_size
    model, weights = audit.model
    attributions = fingerprint(
        content_fingerprint(rows),
        weights,
        {k: v for k, v in audit.keys["model"].items() if k not in _NOT_THE_FUNCTION},
        model.target_layer,
        model.head,
        asdict(model.preprocess),
        audit.keys["methods"],
        list(audit.settings.targets),
        audit.compute.precision,
        part_size,
        code_version(*_CODE),
    )
    return planned(
        rows.num_rows,
        part_size,
        attributions=attributions,
        scores=score_fingerprint(audit, attributions),
    )


def _pass(audit: Audit, rows: pa.Table, plan: Plan) -> Pass:
    """What one pass over the photos needs."""
    compute, (model, _) = audit.compute, audit.model
    load = LoadSettings(
        root=audit.dataset.root,
        preprocess=model.preprocess,
        max_pixels=audit.settings.max_pixels,
        batch_size=compute.batch_size,
        num_workers=compute.num_workers,
        pin_memory=compute.device != "cpu",
    )
    return Pass(
        explainer=Explainer(
            model,
            targets=resolved(audit.settings.targets, audit.labels(), model.num_outputs),
            precision=compute.precision,
            batch_size=compute.batch_size,
            references=audit.references,
        ),
        methods=audit.methods(),
        photos=Photos(rows, audit.masks, load),
        load=load,
        plan=plan,
        paths=audit.paths,
        scorer=scorer_of(audit, model.preprocess, compute.device)
        if "score" in audit.settings.stages
        else None,
    )


def _attribute(audit: Audit, work: Pass, todo: dict[int, range]) -> None:
    """Commit every part of ``todo``; whatever the folder holds of another configuration goes."""
    record, plan = audit.record, work.plan
    record.begin("attribute")
    _describe(audit)
    drop_stale(audit.paths.attributions, plan.attributions, plan.rows)
    drop_stale(audit.paths.scores, plan.scores, plan.rows)
    total = len(work.photos)
    done = total - sum(len(span) for span in todo.values())
    with (
        record.timed("attribute", resumed=done > 0),
        progress_bar("attribute", total=total, done=done, bar=audit.settings.progress) as progress,
    ):
        work.explainer.progress = audit.stop.stopping(progress.forwards, patience=PATIENCE)
        start, count = time.perf_counter(), 0
        try:
            for images, committed in attribute_parts(work, todo):
                progress(images)
                count += images
                audit.stop.check(patience=0 if committed else PATIENCE)
        finally:
            record.content["images_per_second"] = count / (time.perf_counter() - start)
            record.content["batch_size"]["used"] = work.explainer.adaptive.smallest
    record.write()


def _describe(audit: Audit) -> None:
    """Note in the record what later stages need to know of the model."""
    compute, (model, _) = audit.compute, audit.model
    audit.record.content |= {
        "device": compute.device,
        "precision": compute.precision,
        "preprocess": asdict(model.preprocess),
        "part_size": audit.settings.compute.part_size,
        "batch_size": {"asked": compute.batch_size, "used": compute.batch_size},
        "model": {
            **{k: v for k, v in audit.keys["model"].items() if not isinstance(v, dict)},
            "target_layer": model.target_layer,
            "head": model.head,
            "num_outputs": model.num_outputs,
            "grid": list(model.grid),
        },
    }
