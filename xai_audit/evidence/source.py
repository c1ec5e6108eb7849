"""The canvases, the transplanter and the scope of a run, for the evidence's stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.evidence.cells import ALL
from xai_audit.evidence.cue_set import cues_of
from xai_audit.evidence.measure import Scope
from xai_audit.evidence.together import Together
from xai_audit.evidence.transplant import Transplanter
from xai_audit.vision.canvas import Source
from xai_audit.vision.opening import opener_of

if TYPE_CHECKING:
    from xai_audit.work.audit import Audit


def source_of(audit: Audit) -> Source:
    """The source of canvases of the usable photos."""
    return Source(
        rows=audit.usable(),
        masks=audit.masks,
        root=audit.dataset.root,
        preprocess=audit.facts.preprocess,
        max_pixels=audit.settings.max_pixels,
        num_workers=audit.compute.num_workers,
        opener=opener_of(audit.dataset),
    )


def transplanter_of(audit: Audit) -> Transplanter:
    """The model with the cues, and with all of them at once."""
    compute = audit.compute
    return Transplanter(
        source_of(audit),
        cues_of(audit) | {ALL: Together(audit.cues)},
        audit.model,
        precision=compute.precision,
        batch_size=compute.batch_size,
    )


def scope_of(audit: Audit) -> Scope:
    """What measuring needs besides the cells."""
    rows, chosen = audit.usable(), audit.settings.evidence
    ids, classes = (rows.column(name).to_pylist() for name in ("image_id", "class_name"))
    return Scope(
        place={image_id: place for place, image_id in enumerate(ids)},
        classes=dict(zip(ids, classes, strict=True)),
        labels=audit.labels,
        limit=chosen.stop_below,
        sequential=chosen.sequential,
        seed=audit.settings.seed,
    )
