"""trust: the model and each method -> ``methods.parquet``, whether its maps are to be trusted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.attribute.targets import kind_of, targets_of
from xai_audit.faithfulness.output import DRAWS, draw_of, methods_table
from xai_audit.run.files import write_table
from xai_audit.run.labelling import one_label_each
from xai_audit.run.manifest import content_fingerprint
from xai_audit.run.record import fingerprint
from xai_audit.run.sample import drawn
from xai_audit.run.verdicts import preferred_kind
from xai_audit.schema import RANDOM
from xai_audit.work.parts import part_file
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.attribute.targets import NamedClass
    from xai_audit.faithfulness.measure import Checker
    from xai_audit.run.progress import Progress
    from xai_audit.vision.loader import Batch
    from xai_audit.work.audit import Audit

log = logging.getLogger(__name__)

_VERSION = 1


def plan(audit: Audit) -> Plan:
    """A part for every method, maps of noise first, and draw of the random weights."""
    rows, settings, seed = _sampled(audit), audit.settings, audit.settings.seed
    keys: dict[str, dict[str, Any]] = {RANDOM: {}} | {n["name"]: n for n in audit.spec.methods}
    kind = kind_of(_kind(audit))
    same = fingerprint(
        _VERSION, content_fingerprint(rows), audit.facts.mark, kind, settings.trust.steps, seed
    )

    def parts() -> list[Part]:
        sizes = [piece.num_rows for piece in _by_draw(rows, seed)]
        pairs = [(name, draw) for name in keys for draw in range(DRAWS)]
        return [
            Part(
                number=number,
                fingerprint=fingerprint(same, keys[name]),
                args={"method": name, "draw": draw},
                size=sizes[draw],
            )
            for number, (name, draw) in enumerate(pairs)
        ]

    mark = fingerprint(same, keys, settings.trust.max_similarity)
    return Plan(mark, parts, (audit.paths.methods,))


def _sampled(audit: Audit) -> pa.Table:
    rows = audit.selected()
    rows = one_label_each(rows, audit.labels) if audit.several_labels else rows
    return drawn(rows, audit.settings.trust.images, audit.settings.seed)


def _kind(audit: Audit) -> str | NamedClass:
    """The one target that maps are checked for."""
    kinds = targets_of(audit)
    return preferred_kind(kind_of(kind) for kind in kinds) or kinds[0]


def _by_draw(rows: pa.Table, seed: int) -> list[pa.Table]:
    """The rows that each draw of the weights is compared on."""
    draws = np.array([draw_of(image_id, seed) for image_id in rows.column("image_id").to_pylist()])
    return [rows.filter(pa.array(draws == draw)).combine_chunks() for draw in range(DRAWS)]


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The checks of one method on the photos of one draw."""
    methods = {RANDOM: None} | {method.name: method for method in audit.methods}
    draws, checker = _by_draw(_sampled(audit), audit.settings.seed), _checker(audit, progress)
    for part in parts:
        method, draw = methods[part.args["method"]], part.args["draw"]
        yield Finished(part, checker.rows(method, _read(audit, draws[draw]), draw, progress))


def _checker(audit: Audit, progress: Progress) -> Checker:
    from xai_audit.attribute.references import references_of
    from xai_audit.attribute.request import MethodServices
    from xai_audit.faithfulness.measure import Checker
    from xai_audit.network.inputs import AdaptiveBatch

    return Checker(
        audit.model,
        kind=_kind(audit),
        steps=audit.settings.trust.steps,
        seed=audit.settings.seed,
        adaptive=AdaptiveBatch(audit.compute.batch_size),
        num_workers=audit.compute.num_workers,
        services=MethodServices(progress.forwards, references_of(audit)),
    )


def _read(audit: Audit, rows: pa.Table) -> Batch:
    """All photos of ``rows``, with those that cannot be used."""
    from xai_audit.vision.loader import Batch, batches

    load = audit.load(batch_size=max(rows.num_rows, 1), num_workers=0)
    nothing = Batch(records=[], photos=None, coverage=None, mask_status=[], problems={})
    stream = batches(audit.photos(rows, load), [range(rows.num_rows)], load)
    return next((batch for _, batch in stream), nothing)


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the table of all methods, and name those that are not to be trusted."""
    tables: dict[str, list[pa.Table]] = {}
    for part in parts:
        table = pq.read_table(part_file(audit.paths, TRUST, part.number))
        tables.setdefault(part.args["method"], []).append(table)
    found = methods_table(
        {name: pa.concat_tables(each) for name, each in tables.items()},
        kind=kind_of(_kind(audit)),
        max_similarity=audit.settings.trust.max_similarity,
    )
    write_table(audit.paths.methods, found)
    for row in found.filter(pc.equal(found.column("trusted"), pa.scalar(False))).to_pylist():
        log.warning("trust: %s: %s", row["method"], row["because"])
    return {}


TRUST = Stage(
    "trust", "trust", _VERSION, "trust", plan, merge, work, needs=("index",), reads=("attribute",)
)
