"""One photo of a run: beside itself under its heatmap, and the heatmap on its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from xai_audit.errors import MaskProblem, OutputError, nearest
from xai_audit.notebook.shown import Shown, side_by_side
from xai_audit.report.answers import read_findings
from xai_audit.report.facts import read_facts
from xai_audit.report.heat import on_photo
from xai_audit.report.material import gather, photos, read_heatmaps
from xai_audit.report.overlay import Look, draw, open_photo
from xai_audit.report.words import BY_MASKS, caption_of
from xai_audit.run.labelling import labels_of
from xai_audit.run.manifest import record_of
from xai_audit.run.verdicts import CONFIRMED, kinds_of_run, marked
from xai_audit.store.address import is_address
from xai_audit.vision.geometry import view
from xai_audit.work.audit import Audit
from xai_audit.work.parts import read_home, read_spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.notebook.run import AuditRun
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.picture import Photo

_PATHS = ("root", "file", "weights")  # keys of datasets and masks
_TILE = 280  # px of a photo's shorter side
_LIKE = 1000  # ids among which the nearest to a wrong one are sought


def audit_of(run: AuditRun) -> Audit:
    """The audit that made ``run``, with its plugins; relative paths start where it was started."""
    spec, home = read_spec(run.paths), read_home(run.paths)
    for node in (spec.settings.dataset, spec.settings.masks):
        for key in _PATHS:
            if home is not None and node.get(key) and not is_address(node[key]):
                node[key] = str(home / Path(node[key]).expanduser())
    return Audit(run.paths, spec, run.finished, planned=True)


def heatmap_on_photo(
    run: AuditRun, image_id: str, method: str | None, kind: str, class_name: str | None
) -> NDArray[np.float32]:
    """(H, W) float32: see :meth:`~xai_audit.notebook.run.AuditRun.heatmap`."""
    facts = read_facts(run)
    photo = _photo(run, facts, image_id)
    name = _method(run, facts, method)
    of = _class_of(run, photo, class_name)
    found = dict(read_heatmaps(run, {(image_id, name)}, {name: kind}, class_name=of))
    if not found:
        raise OutputError(
            "no heatmap of this photo",
            where=image_id,
            expected=f"one of method {name} and target {kind}",
            got=f"status {_status(run, image_id)}",
            remedy="add attribute to stages, or another target or method of this run",
        )
    return on_photo(found[image_id, name], view((photo.height, photo.width), facts.preprocess))


def shown_photo(
    run: AuditRun,
    image_id: str,
    method: str | None,
    target: str | None,
    class_name: str | None,
) -> Shown:
    """The photo and its overlay: see :meth:`~xai_audit.notebook.run.AuditRun.show`."""
    facts, audit = read_facts(run), audit_of(run)
    photo = _photo(run, facts, image_id)
    opener = audit.opener
    drawn = None if photo.path is None else open_photo(photo.path, _TILE, opener)
    if drawn is None:
        raise OutputError(
            "this photo cannot be read",
            where=photo.path or image_id,
            got=f"status {_status(run, image_id)}",
        )
    name = _method(run, facts, method)
    kind = target or kinds_of_run(run).get(name, "label")
    key, of = (image_id, name), _class_of(run, photo, class_name)
    heatmap = dict(read_heatmaps(run, {key}, {name: kind}, class_name=of)).get(key)
    look = Look(facts.preprocess, facts.border, _TILE)
    overlay = draw(photo.path, heatmap, look=look, mask=mask_of(audit, image_id), opener=opener)
    panels = [drawn[0], *([] if overlay is None else [overlay])]
    under = f"{name}, {of or kind}" if heatmap is not None else "no heatmap"
    return Shown(
        title=image_id,
        image=side_by_side([panels]),
        rows=_words(run, facts, key, kind, of),
        labels=("photo", under)[: len(panels)],
    )


def _status(run: AuditRun, image_id: str) -> str:
    """What became of a photo of the run."""
    rows = run.manifest[run.manifest["image_id"] == image_id]
    return str(rows["status"].iloc[0]) if len(rows) else "unknown"


def _class_of(run: AuditRun, photo: Photo, given: str | None) -> str | None:
    """Of photos with several labels the class to show: the one given, else the first label."""
    if not run.has("decisions"):
        return None
    own = labels_of(photo.class_name)
    if given is None and not own:
        raise OutputError(
            "this photo has no label",
            where=photo.image_id,
            remedy="class_name=NAME, of a class that it is wrongly decided for",
        )
    return given or own[0]


def _words(
    run: AuditRun, facts: RunFacts, key: tuple[str, str], kind: str, of: str | None
) -> dict[str, str]:
    """Prediction, flags and masses of a photo, and what is confirmed of its class."""
    image_id, method = key
    material = gather(run, {key}, {method: kind}, root=None, class_name=of)
    row, rows = material.scores.get(key), {}
    name = material.photos[image_id].class_name
    if row is not None:
        flags = [f for f in material.flags.get(image_id, []) if f["method"] in (method, None)]
        caption = caption_of(row, flags, facts=facts, method=None)
        made, reasons = facts.masks_made, caption.reasons
        rows = {"class → predicted": caption.headline, "relevance": marked(caption.masses, made)}
        said = [marked(text, made and reason in BY_MASKS) for reason, text in reasons.items()]
        rows |= {"flagged": "; ".join(said)} if said else {}
    said = [f.because for f in read_findings(run) if (f.class_name, f.verdict) == (name, CONFIRMED)]
    return rows | {f"confirmed of {name}": text for text in said[:1]}


def _photo(run: AuditRun, facts: RunFacts, image_id: str) -> Photo:
    photo = photos(run, [image_id], facts.dataset_root)[image_id]
    if not photo.class_name:
        ids = run.manifest["image_id"]
        beside = ids[ids.str.startswith(image_id.rpartition("/")[0])].head(_LIKE)
        like = nearest(image_id, beside if len(beside) else ids.head(_LIKE))
        raise OutputError(
            "this run has no such photo",
            where=run.root,
            got=image_id,
            expected=f"an image_id of its manifest: {like}",
        )
    return photo


def _method(run: AuditRun, facts: RunFacts, method: str | None) -> str:
    known = facts.methods_first(kinds_of_run(run))
    if method is None and known:
        return known[0]
    if method in known:
        return str(method)
    raise OutputError(
        "this run has no such method",
        where=run.root,
        expected=f"one of {', '.join(known)}" if known else "stages with attribute and score",
        got=method,
    )


def mask_of(audit: Audit, image_id: str) -> NDArray[np.generic] | None:
    """The object (H, W) in the photo; None where there is no mask of it."""
    rows = audit.manifest()
    rows = rows.filter(pc.equal(rows.column("image_id"), image_id))
    try:
        coverage = audit.masks.load(record_of(rows, 0, audit.dataset.root))
    except MaskProblem:
        return None
    return None if coverage is None else coverage[0]
