"""augmentation: a sample of photos and the model -> what changes when the photos are changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.attribute.groups import FEW
from xai_audit.attribute.stage import draws_photos
from xai_audit.attribute.targets import kind_of, targets_of
from xai_audit.augmentation.names import requested
from xai_audit.config.costs import forwards_of
from xai_audit.run.files import read_notes, write_table
from xai_audit.run.manifest import content_fingerprint
from xai_audit.run.record import fingerprint
from xai_audit.run.sample import drawn
from xai_audit.run.verdicts import preferred_kind
from xai_audit.schema import AUGMENTATION as COLUMNS
from xai_audit.work.parts import files_of, in_spans
from xai_audit.work.stage import Finished, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xai_audit.attribute.targets import NamedClass
    from xai_audit.augmentation.augmenter import Augmenter
    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit
    from xai_audit.work.stage import Part

log = logging.getLogger(__name__)

_VERSION = 1
_PART = 8  # images: what a kill can cost
_FORWARDS = "forwards"


def plan(audit: Audit) -> Plan:
    """Parts of eight sampled images; none with ``augmentation.images`` 0.

    Nor are there any where photos have several labels: there is no one decision to change.
    """
    rows, settings, regions = _sampled(audit), audit.settings, audit.settings.regions
    method = _method(audit)
    drawn_from = method is not None and draws_photos([method])
    mark = fingerprint(
        _VERSION,
        content_fingerprint(rows),
        audit.facts.mark,
        audit.mask_mark(rows),
        [regions.border, regions.corner],
        requested(settings.augmentation.names),
        [method, kind_of(_kind(audit))],
        content_fingerprint(audit.selected()) if drawn_from else None,
        settings.seed,
    )

    return Plan(mark, lambda: in_spans(rows.num_rows, _PART, mark), (audit.paths.augmentation,))


def _sampled(audit: Audit) -> pa.Table:
    """The rows of the manifest whose photos are changed."""
    images = 0 if audit.several_labels else audit.settings.augmentation.images
    return drawn(audit.selected(), images, audit.settings.seed)


def _method(audit: Audit) -> Mapping[str, Any] | None:
    """The keys of the method that makes the maps, of several the cheapest; None: of none.

    One of many forwards is left out: it would cost as much as all that the stage does otherwise.
    """
    costs = [(forwards_of(node), node) for node in audit.spec.methods]
    cheap = [(cost, node) for cost, node in costs if cost is not None and cost <= FEW]
    return min(cheap, key=lambda one: one[0])[1] if cheap else None


def _kind(audit: Audit) -> str | NamedClass:
    """The one target whose maps are compared."""
    kinds = targets_of(audit)
    return preferred_kind(kind_of(kind) for kind in kinds) or kinds[0]


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """Every augmentation of the images of a part."""
    from xai_audit.vision.loader import batches

    compute, rows = audit.compute, _sampled(audit)
    load = audit.load(batch_size=_PART, num_workers=min(compute.num_workers, len(parts)))
    augmenter, chosen = _augmenter(audit, progress), _method(audit)
    forwards = augmenter.answers * (forwards_of(chosen) or 1 if chosen else 1)
    spans = [range(part.args["start"], part.args["stop"]) for part in parts]
    stream = batches(audit.photos(rows, load), spans, load)
    for part, (_, batch) in zip(parts, stream, strict=True):
        table = augmenter.rows(batch)
        progress(part.size)
        yield Finished(part, table, {_FORWARDS: str(len(batch.records) * forwards)})


def _augmenter(audit: Audit, progress: Progress) -> Augmenter:
    """The model with the method and the regions."""
    from xai_audit.attribute.references import references_of
    from xai_audit.attribute.request import MethodServices
    from xai_audit.augmentation.augmenter import Augmenter
    from xai_audit.network.inputs import AdaptiveBatch
    from xai_audit.score.stage import scorer_of

    chosen = _method(audit)
    return Augmenter(
        audit.model,
        method=None if chosen is None else audit.methods[audit.spec.methods.index(chosen)],
        kind=_kind(audit),
        augmentations=requested(audit.settings.augmentation.names),
        scorer=scorer_of(audit, audit.compute.device),
        seed=audit.settings.seed,
        adaptive=AdaptiveBatch(audit.compute.batch_size),
        services=MethodServices(progress.forwards, references_of(audit)),
    )


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the table of all augmentations."""
    files = files_of(audit.paths, AUGMENTATION, parts)
    table = pa.concat_tables([COLUMNS.empty_table(), *map(pq.read_table, files)])
    write_table(audit.paths.augmentation, table)
    if audit.several_labels:
        log.info("augmentation: photos with several labels are not changed, which is not supported")
    spent = sum(int(read_notes(file)[_FORWARDS]) for file in files)
    return {"augmentation": {_FORWARDS: spent}}


AUGMENTATION = Stage(
    "augmentation", "augmentation", _VERSION, "augmentation", plan, merge, work,
    needs=("index",), reads=("attribute",),
)  # fmt: skip
