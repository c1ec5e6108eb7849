"""trust: the model and each method -> ``methods.parquet``, whether its maps are to be trusted."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from xai_audit.io import is_readable, read_notes, write_table
from xai_audit.manifest import content_fingerprint, drawn
from xai_audit.paths import RunPaths
from xai_audit.progress import progress
from xai_audit.run import code_version, fingerprint
from xai_audit.schema import PREFERRED_KINDS, RANDOM
from xai_audit.trust.measure import Checker, Sampled
from xai_audit.trust.table import methods_table
from xai_audit.worker.adaptive import AdaptiveBatch
from xai_audit.worker.asked import Lent
from xai_audit.worker.loader import LoadSettings, Photos, batches
from xai_audit.worker.parts import FINGERPRINT
from xai_audit.worker.targets import resolved

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.stages.context import Audit
    from xai_audit.types import Attributor
    from xai_audit.worker.targets import NamedClass

log = logging.getLogger(__name__)

# Everything that decides a check.
_CODE = (
    "trust",
    "worker",
    "metrics",
    "models",
    "methods",
    "masks",
    "data",
    "manifest.py",
    "geometry.py",
    "heads.py",
    "layout.py",
    "types.py",
    "schema.py",
)


def run(audit: Audit) -> None:
    """Check every method that has not been checked on this model and sample."""
    rows = _sample(audit)
    marks = {name: _mark(audit, rows, keys) for name, keys in _keys(audit).items()}
    found = fingerprint(marks, audit.settings.trust.max_similarity, code_version(*_CODE))
    if audit.record.is_current("trust", found) and is_readable(audit.paths.methods):
        return
    audit.record.begin("trust")
    with audit.record.timed("trust", resumed=True):
        _check(audit, rows, marks)
    audit.record.finished("trust", found)


def _keys(audit: Audit) -> dict[str, dict[str, object]]:
    """Method -> its keys; maps of noise come first."""
    return {RANDOM: {}} | {keys["name"]: keys for keys in audit.keys["methods"]}


def _sample(audit: Audit) -> pa.Table:
    """The rows of the manifest that every method is checked on."""
    return drawn(audit.selected(), audit.settings.trust.images, audit.settings.seed)


def _mark(audit: Audit, rows: pa.Table, keys: dict[str, object]) -> str:
    """What a method's part must say to be current."""
    model, weights = audit.model
    return fingerprint(
        content_fingerprint(rows),
        weights,
        model.target_layer,
        asdict(model.preprocess),
        keys,
        str(_kind(audit)),
        audit.settings.trust.steps,
        audit.settings.seed,
        code_version(*_CODE),
    )


def _kind(audit: Audit) -> str | NamedClass:
    """The one target that maps are checked for."""
    kinds = resolved(audit.settings.targets, audit.labels(), audit.model[0].num_outputs)
    return next((kind for kind in PREFERRED_KINDS if kind in kinds), kinds[0])


def _check(audit: Audit, rows: pa.Table, marks: dict[str, str]) -> None:
    """Commit a part a method, and the table of them all."""
    methods: dict[str, Attributor | None] = {RANDOM: None}
    methods |= {method.name: method for method in audit.methods()}
    parts = {name: RunPaths.part(audit.paths.trust, n) for n, name in enumerate(methods)}
    todo = [n for n in methods if read_notes(parts[n]).get(FINGERPRINT) != marks[n]]
    sampled, kind = _read(audit, rows), _kind(audit)
    total = len(todo) * len(sampled.records)
    with progress("trust", total=total, bar=audit.settings.progress) as shown:
        checker = Checker(
            audit.model[0],
            kind=kind,
            steps=audit.settings.trust.steps,
            seed=audit.settings.seed,
            adaptive=AdaptiveBatch(audit.compute.batch_size),
            num_workers=audit.compute.num_workers,
            lent=Lent(audit.stop.patiently(shown.forwards), audit.references),
        )
        for name in todo:
            table = checker.rows(methods[name], sampled, _stoppable(audit, shown))
            write_table(parts[name], table, {FINGERPRINT: marks[name]})
    tables = {name: pq.read_table(path) for name, path in parts.items()}
    found = methods_table(
        tables,
        kind=kind if isinstance(kind, str) else kind.kind,
        max_similarity=audit.settings.trust.max_similarity,
    )
    write_table(audit.paths.methods, found)
    for row in found.filter(pc.equal(found.column("trusted"), pa.scalar(False))).to_pylist():
        log.warning("trust: %s: %s", row["method"], row["because"])


def _stoppable(audit: Audit, tell: Callable[[int], None]) -> Callable[[int], None]:
    def told(count: int) -> None:
        tell(count)
        audit.stop.check()

    return told


def _read(audit: Audit, rows: pa.Table) -> Sampled:
    """The sampled photos that can be decoded."""
    model, compute = audit.model[0], audit.compute
    load = LoadSettings(
        root=audit.dataset.root,
        preprocess=model.preprocess,
        max_pixels=audit.settings.max_pixels,
        batch_size=8,
        num_workers=compute.num_workers,
    )
    photos = Photos(rows, audit.masks, load)
    records, views = [], [torch.empty((0, 3, *model.preprocess.crop), dtype=torch.uint8)]
    for _, batch in batches(photos, [range(rows.num_rows)], load):
        if batch.photos is not None:
            records += batch.records
            views.append(batch.photos)
    return Sampled(records, torch.cat(views))
