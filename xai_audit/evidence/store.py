"""Pairs measured before, found again by all that decides their row, whatever else has changed.

A part is made anew when a setting of its stage changes: the list of cues, the budget, the number
of pairs. Most of its pairs are the same then, and a pair's row depends on the model, its cue and
its three photos alone. So rows are kept under ``evidence/pairs/``, which no plan cleans.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.evidence.cells import ALL
from xai_audit.evidence.plan import discovered
from xai_audit.evidence.source import clusters, cue_marks
from xai_audit.run.files import is_readable, read_json, replacing
from xai_audit.run.manifest import masks_fingerprint
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.schema import TRANSPLANTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from xai_audit.evidence.plan import Pair
    from xai_audit.evidence.transplant import Row
    from xai_audit.work.audit import Audit
    from xai_audit.work.stage import Part

_FORWARDS, _COMMON, _DIGEST = "forwards", "common", "digest"
_SCHEMA = pa.schema(
    [*TRANSPLANTS, (_FORWARDS, pa.int8()), (_COMMON, pa.string()), (_DIGEST, pa.string())]
)


@dataclass(frozen=True)
class Store:
    """The rows that a stage has measured, a file for every class.

    Attributes:
        audit: of the run.
        stage: its name.
        version: of the code that makes its rows: views, cues, probabilities.
        sets: key of several cues that are replaced at once -> their keys.
    """

    audit: Audit
    stage: str
    version: int
    sets: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def opened(self, parts: Iterable[Part]) -> Measured:
        """The rows of the classes of ``parts`` that are still those of this model and cues."""
        rows: dict[str, Row] = {}
        for part in parts:
            if is_readable(path := self._file(part)):
                found = pq.read_table(path, schema=_SCHEMA).to_pylist()
                rows |= {r.pop(_DIGEST): r for r in found if r.pop(_COMMON) == self._common}
        return Measured(self, rows)

    def kept(self, measured: Measured, part: Part) -> list[tuple[Path, str, pa.Table]]:
        """The file of a part's class with its rows, to be committed beside the part, if any."""
        name = part.args["class_name"]
        rows = [
            row | {_COMMON: self._common, _DIGEST: digest}
            for digest, row in measured.rows.items()
            if row["class_name"] == name
        ]
        if not rows:
            return []
        return [(self._file(part), part.fingerprint, pa.Table.from_pylist(rows, schema=_SCHEMA))]

    def digest(self, pair: Pair) -> str:
        """A fingerprint of what decides the row of ``pair``, beside what all pairs share."""
        names = [name for name in (pair.cue, pair.given) if name is not None]
        return fingerprint(
            [pair.class_name, self.audit.labels[pair.class_name], pair.question],
            [[name, self._cues[name]] for name in names],
            [[one, *self._photos[one]] for one in pair.photos],
        )

    def _file(self, part: Part) -> Path:
        return RunPaths.part(self.audit.paths.pairs, part.number, prefix=self.stage)

    @cached_property
    def _common(self) -> str:
        """The model, how photos are read, the source of masks."""
        audit, facts = self.audit, self.audit.facts
        masks = audit.mask_mark(self._rows.slice(0, 0))
        settings = [facts.precision, audit.settings.max_pixels, TRANSPLANTS.names]
        return fingerprint(self.version, facts.mark, settings, masks)

    @cached_property
    def _cues(self) -> dict[str, str]:
        """Key of a cue -> its settings, code and files."""
        cues, marks = self.audit.cues, cue_marks(self.audit)
        found = {cue.name: fingerprint(mark) for cue, mark in zip(cues, marks, strict=True)}
        for row in clusters(self.audit):
            found[discovered(row["cue"], row["class_name"])] = fingerprint(row)
        found |= {key: fingerprint([found[k] for k in keys]) for key, keys in self.sets.items()}
        return found | {ALL: fingerprint(marks)}

    @cached_property
    def _rows(self) -> pa.Table:
        return self.audit.usable()

    @cached_property
    def _photos(self) -> dict[str, list[Any]]:
        """Image id -> its file, class, label and mask."""
        names = ("image_id", "class_name", "label", "file_bytes", "mtime_ns", "mask")
        columns = [self._rows.column(name).to_pylist() for name in names]
        found = {}
        for place, (one, *facts, mask) in enumerate(zip(*columns, strict=True)):
            stamp = masks_fingerprint(self._rows.slice(place, 1)) if mask is not None else None
            found[one] = [*facts, stamp]
        return found


def borrow(paths: RunPaths, lenders: Iterable[Path], identity: Mapping[str, Any]) -> None:
    """Copy the pairs of audits of the same photos and model, where ``paths`` has none of a class.

    Pairs do not depend on the methods of attribution. What else differs, digests tell.

    Args:
        paths: of the audit that is about to run.
        lenders: output folders, of which the first that has a file gives it.
        identity: of the audit, as ``run.json`` has it.
    """
    for folder in lenders:
        theirs = RunPaths(folder)
        noted = (read_json(theirs.run_json) or {}).get("identity")
        if noted is None or noted | {"methods": None} != {**identity, "methods": None}:
            continue
        for file in filter(is_readable, sorted(theirs.pairs.glob("*.parquet"))):
            if not (place := paths.pairs / file.name).exists():
                with replacing(place) as temporary:
                    shutil.copyfile(file, temporary)


@dataclass(frozen=True)
class Measured:
    """The rows of pairs of some classes; those that are measured are added.

    Attributes:
        store: where they are from.
        rows: digest of a pair -> its row and the forwards that it took.
    """

    store: Store
    rows: dict[str, Row]

    def get(self, pair: Pair) -> tuple[Row, int] | None:
        """The row of ``pair`` and the forwards that it took; None where it was not measured."""
        row = self.rows.get(self.store.digest(pair)) if self.rows else None
        if row is None:
            return None
        return {name: row[name] for name in TRANSPLANTS.names}, row[_FORWARDS]

    def add(self, pair: Pair, row: Row, *, forwards: int) -> None:
        """Keep the row of ``pair``, unless it failed: another time it may not."""
        if row["p_with"] is not None:
            self.rows[self.store.digest(pair)] = row | {_FORWARDS: forwards}
