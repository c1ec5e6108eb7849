"""What the evidence's stages open for a run: its cues, canvases and transplanter."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from xai_audit.evidence.plan import discovered
from xai_audit.run.files import content_hash, is_readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.evidence.transplant import Transplanter
    from xai_audit.types import Cue
    from xai_audit.vision.canvas import Source
    from xai_audit.work.audit import Audit

_OURS = "xai_audit."


def source_of(audit: Audit) -> Source:
    """The source of canvases of the usable photos; loads torch, as all that measures."""
    from xai_audit.vision.canvas import Source

    return Source(
        rows=audit.usable(),
        masks=audit.masks,
        root=audit.dataset.root,
        preprocess=audit.facts.preprocess,
        max_pixels=audit.settings.max_pixels,
        num_workers=audit.compute.num_workers,
        opener=audit.opener,
    )


def transplanter_of(audit: Audit, sets: Mapping[str, Sequence[str]] | None = None) -> Transplanter:
    """The model with the cues, with all of them at once, and with ``sets``: key -> keys of cues."""
    from xai_audit.evidence.cells import ALL
    from xai_audit.evidence.measure import Together
    from xai_audit.evidence.transplant import Transplanter

    compute, cues = audit.compute, cues_of(audit)
    several = {key: Together([cues[one] for one in keys]) for key, keys in (sets or {}).items()}
    return Transplanter(
        source_of(audit),
        cues | {ALL: Together(audit.cues)} | several,
        audit.model,
        precision=compute.precision,
        batch_size=compute.batch_size,
        labels=audit.labels,
    )


def cues_of(audit: Audit) -> dict[str, Cue]:
    """Key -> cue; a discovered region's key names its class. Loads torch."""
    from xai_audit.cues._discovered import Cluster

    cues: dict[str, Cue] = {cue.name: cue for cue in audit.cues}
    for row in clusters(audit):
        cells = np.array(row["region"]).reshape(row["height"], row["width"]).tolist()
        key = discovered(row["cue"], row["class_name"])
        cues[key] = Cluster(name=key, cells=cells)
    return cues


def clusters(audit: Audit) -> list[dict[str, Any]]:
    """The discovered regions that are examined as cues: rows of CLUSTERS."""
    path, columns = audit.paths.clusters, ["class_name", "cue", "region", "height", "width"]
    if not audit.is_current("discover") or not is_readable(path):
        return []
    rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist()
    return [row for row in rows if row["cue"] is not None]


def cue_marks(audit: Audit) -> list[object]:
    """What identifies the cues in a fingerprint: keys; code and files of the user's own cues.

    Cues of this package are not built for it, so that it needs no torch.
    """
    marks: list[object] = []
    for place, node in enumerate(audit.spec.cues):
        target = str(node["_target_"])
        if target.startswith(_OURS):
            files = [v for v in node.values() if isinstance(v, str) and Path(v).is_file()]
            marks.append([node, [content_hash(Path(file)) for file in files]])
            continue
        module = find_spec(target.rpartition(".")[0])
        source = None if module is None or module.origin is None else Path(module.origin)
        content = getattr(audit.cues[place], "fingerprint", None)  # a cue made of a file has one
        marks.append(
            [
                node,
                None if source is None else content_hash(source),
                content() if callable(content) else None,
            ]
        )
    return marks
