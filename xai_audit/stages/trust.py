"""trust: the model and each method -> ``methods.parquet``, whether its maps are to be trusted."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.attribute.parts import FINGERPRINT
from xai_audit.attribute.request import MethodServices
from xai_audit.attribute.targets import kind_of, resolved
from xai_audit.faithfulness.measure import Checker
from xai_audit.faithfulness.output import methods_table
from xai_audit.faithfulness.randomise import DRAWS, draw_of
from xai_audit.network.adaptive import AdaptiveBatch
from xai_audit.network.compute import repeatable
from xai_audit.run.files import is_readable, read_notes, remove_leftovers, write_table
from xai_audit.run.manifest import content_fingerprint
from xai_audit.run.paths import RunPaths
from xai_audit.run.progress import progress_bar
from xai_audit.run.record import code_version, fingerprint
from xai_audit.run.sample import drawn
from xai_audit.run.stop import PATIENCE
from xai_audit.schema import PREFERRED_KINDS, RANDOM
from xai_audit.vision.loader import Batch, LoadSettings, Photos, batches

if TYPE_CHECKING:
    from pathlib import Path

    from xai_audit.attribute.targets import NamedClass
    from xai_audit.stages.context import Audit
    from xai_audit.types import Attributor

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
    rows = drawn(audit.selected(), audit.settings.trust.images, audit.settings.seed)
    marks = {name: _mark(audit, rows, keys) for name, keys in _keys(audit).items()}
    found = fingerprint(marks, audit.settings.trust.max_similarity, code_version(*_CODE))
    if audit.record.is_current("trust", found) and is_readable(audit.paths.methods):
        return
    audit.record.begin("trust")
    parts = _parts(audit, marks)
    todo = {
        key: path
        for key, path in parts.items()
        if read_notes(path).get(FINGERPRINT) != marks[key[0]]
    }
    with (
        audit.record.timed("trust", resumed=len(todo) < len(parts)),
        repeatable(audit.settings.compute.deterministic),
    ):
        remove_leftovers(audit.paths.trust)
        for path in {*RunPaths.parts(audit.paths.trust)} - {*parts.values()}:
            path.unlink()  # of methods that are not asked about any more
        _check(audit, rows, todo, marks)
        _tell(audit, parts)
    audit.record.finished("trust", found)


def _keys(audit: Audit) -> dict[str, dict[str, object]]:
    """Method -> its keys; maps of noise come first."""
    return {RANDOM: {}} | {keys["name"]: keys for keys in audit.keys["methods"]}


def _mark(audit: Audit, rows: pa.Table, keys: dict[str, object]) -> str:
    """What a method's parts must say to be current."""
    model, weights = audit.model
    return fingerprint(
        content_fingerprint(rows),
        weights,
        model.target_layer,
        model.head,
        asdict(model.preprocess),
        keys,
        kind_of(_kind(audit)),
        audit.settings.trust.steps,
        audit.settings.seed,
        code_version(*_CODE),
    )


def _kind(audit: Audit) -> str | NamedClass:
    """The one target that maps are checked for."""
    kinds = resolved(audit.settings.targets, audit.labels(), audit.model[0].num_outputs)
    return next((kind for kind in PREFERRED_KINDS if kind in kinds), kinds[0])


def _parts(audit: Audit, methods: dict[str, str]) -> dict[tuple[str, int], Path]:
    """(method, draw of the random weights) -> its part."""
    keys = [(name, draw) for name in methods for draw in range(DRAWS)]
    return {key: RunPaths.part(audit.paths.trust, number) for number, key in enumerate(keys)}


def _check(
    audit: Audit, rows: pa.Table, todo: dict[tuple[str, int], Path], marks: dict[str, str]
) -> None:
    """Commit every part of ``todo``."""
    methods: dict[str, Attributor | None] = {RANDOM: None}
    methods |= {method.name: method for method in audit.methods()}
    draws = _by_draw(rows, audit.settings.seed)
    total = sum(draws[draw].num_rows for _, draw in todo)
    with progress_bar("trust", total=total, bar=audit.settings.progress) as progress:
        checker = Checker(
            audit.model[0],
            kind=_kind(audit),
            steps=audit.settings.trust.steps,
            seed=audit.settings.seed,
            adaptive=AdaptiveBatch(audit.compute.batch_size),
            num_workers=audit.compute.num_workers,
            services=MethodServices(
                audit.stop.stopping(progress.forwards, patience=PATIENCE), audit.references
            ),
        )
        for (name, draw), path in todo.items():
            table = checker.rows(methods[name], _read(audit, draws[draw]), draw, progress)
            write_table(path, table, {FINGERPRINT: marks[name]})
            audit.stop.check()


def _by_draw(rows: pa.Table, seed: int) -> list[pa.Table]:
    """The rows that each draw of the weights is compared on."""
    draws = np.array([draw_of(image_id, seed) for image_id in rows.column("image_id").to_pylist()])
    return [rows.filter(pa.array(draws == draw)).combine_chunks() for draw in range(DRAWS)]


def _read(audit: Audit, rows: pa.Table) -> Batch:
    """All photos of ``rows``, with those that cannot be used."""
    load = LoadSettings(
        root=audit.dataset.root,
        preprocess=audit.model[0].preprocess,
        max_pixels=audit.settings.max_pixels,
        batch_size=max(rows.num_rows, 1),
        num_workers=0,
    )
    photos = Photos(rows, audit.masks, load)
    nothing = Batch(records=[], photos=None, coverage=None, mask_status=[], problems={})
    return next((batch for _, batch in batches(photos, [range(rows.num_rows)], load)), nothing)


def _tell(audit: Audit, parts: dict[tuple[str, int], Path]) -> None:
    """Write the table of all methods, and say which are not to be trusted."""
    tables: dict[str, list[pa.Table]] = {}
    for (name, _), path in parts.items():
        tables.setdefault(name, []).append(pq.read_table(path))
    found = methods_table(
        {name: pa.concat_tables(each) for name, each in tables.items()},
        kind=kind_of(_kind(audit)),
        max_similarity=audit.settings.trust.max_similarity,
    )
    write_table(audit.paths.methods, found)
    for row in found.filter(pc.equal(found.column("trusted"), pa.scalar(False))).to_pylist():
        log.warning("trust: %s: %s", row["method"], row["because"])
