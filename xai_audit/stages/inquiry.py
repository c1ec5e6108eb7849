"""What the evidence stage asks about: the usable rows, the cues and the model."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.cues._discovered import Cluster
from xai_audit.evidence.measure import Scope
from xai_audit.evidence.plan import discovered
from xai_audit.evidence.sample import sample
from xai_audit.evidence.survey import Subjects
from xai_audit.evidence.together import ALL, Together
from xai_audit.evidence.transplant import Transplanter
from xai_audit.run.files import is_readable
from xai_audit.run.manifest import content_fingerprint
from xai_audit.run.record import code_version, fingerprint
from xai_audit.schema import OK
from xai_audit.vision.canvas import Source

if TYPE_CHECKING:
    from xai_audit.stages.context import Audit
    from xai_audit.types import Cue

# Everything that decides a row of evidence; a test derives it from the imports.
CODE = (
    "evidence",
    "cues",
    "worker",
    "metrics",
    "models",
    "masks",
    "data",
    "manifest.py",
    "geometry.py",
    "heads.py",
    "types.py",
    "schema.py",
    "stages/evidence.py",
    "stages/inquiry.py",
)


class Inquiry:
    """The usable rows, the cues with the discovered ones, and the model that is asked."""

    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        rows = audit.selected()
        self.rows = rows.filter(pc.equal(rows.column("status"), OK)).combine_chunks()
        self.cues: dict[str, Cue] = {cue.name: cue for cue in audit.cues}
        self.cues |= _discovered_cues(audit)
        ids, classes = (self.rows.column(n).to_pylist() for n in ("image_id", "class_name"))
        per_class, seed = audit.settings.evidence.read_per_class, audit.settings.seed
        self.subjects = Subjects(
            ids=ids,
            classes=classes,
            labels=audit.labels(),
            sampled=sample(ids, classes, per_class=per_class, seed=seed),
            permutations=audit.settings.evidence.permutations,
            seed=seed,
        )
        self.source = Source(
            rows=self.rows,
            masks=audit.masks,
            root=audit.dataset.root,
            preprocess=audit.model[0].preprocess,
            max_pixels=audit.settings.max_pixels,
            num_workers=audit.compute.num_workers,
        )
        self.scope = Scope(
            ids=ids,
            classes=classes,
            labels=self.subjects.labels,
            limit=audit.settings.evidence.min_reliance,
            sequential=audit.settings.evidence.sequential,
            seed=seed,
        )

    @cached_property
    def transplanter(self) -> Transplanter:
        """The model with its cues."""
        compute = self.audit.compute
        return Transplanter(
            self.source,
            self.cues | {ALL: Together(self.audit.cues)},
            self.audit.model[0],
            precision=compute.precision,
            batch_size=compute.batch_size,
        )

    def mark(self, *parts: object) -> str:
        """The fingerprint of transplants that ``parts`` describe."""
        audit = self.audit
        model, weights = audit.model
        return fingerprint(
            parts,
            weights,
            model.head,
            asdict(model.preprocess),
            content_fingerprint(self.rows),
            cue_marks(audit),
            audit.record.current("discover"),
            audit.keys["masks"],
            audit.masks.fingerprint(),
            audit.settings.evidence.min_reliance,
            audit.settings.evidence.sequential,
            audit.compute.precision,
            code_version(*CODE),
        )


def cue_marks(audit: Audit) -> list[object]:
    """What the cues are, for a fingerprint: keys, code of a user's own, content of their files."""
    marks: list[object] = [audit.keys["cues"]]
    for cue in audit.cues:
        source = getattr(sys.modules.get(type(cue).__module__), "__file__", None)
        marks.append(None if source is None else sha256(Path(source).read_bytes()).hexdigest())
        content = getattr(cue, "fingerprint", None)  # a cue made of a file has one
        marks.append(content() if callable(content) else None)
    return marks


def _discovered_cues(audit: Audit) -> dict[str, Cue]:
    """Regions that were discovered, as cues of their classes."""
    path = audit.paths.clusters
    if audit.record.current("discover") is None or not is_readable(path):
        return {}
    cues: dict[str, Cue] = {}
    for row in pq.read_table(path).to_pylist():
        if row["cue"] is not None:
            cells = np.array(row["region"]).reshape(row["height"], row["width"]).tolist()
            key = discovered(row["cue"], row["class_name"])
            cues[key] = Cluster(name=key, cells=cells)
    return cues
