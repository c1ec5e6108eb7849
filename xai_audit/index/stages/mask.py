"""mask: photos -> masks of their objects, where a network is to make them; else their origin alone.

Masks that are made are kept, so that no stage, other worker or later command makes them anew.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.errors import MaskProblem
from xai_audit.masks.none import NoMasks
from xai_audit.run.manifest import content_fingerprint, record_of
from xai_audit.run.record import fingerprint
from xai_audit.schema import GIVEN, MADE, MASKS, OK
from xai_audit.work.made_masks import MadeMasks, encoded
from xai_audit.work.parts import files_of
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from xai_audit.run.progress import Progress
    from xai_audit.types import ImageRecord
    from xai_audit.vision.canvas import Source
    from xai_audit.work.audit import Audit
    from xai_audit.work.made_masks import MaskMaker

log = logging.getLogger(__name__)

_VERSION = 1


def plan(audit: Audit) -> Plan:
    """Parts of ``compute.part_size`` selected photos; none where masks are given."""
    if not isinstance(audit.masks, MadeMasks):
        return Plan(fingerprint(_origin(audit)))
    rows, size = audit.selected(), audit.settings.compute.part_size
    same = fingerprint(_VERSION, audit.masks.fingerprint())

    def parts() -> list[Part]:
        pieces = [rows.slice(start, size) for start in range(0, rows.num_rows, size)]
        return [
            Part(
                number=number,
                fingerprint=fingerprint(same, content_fingerprint(piece)),
                args={"start": number * size, "stop": number * size + piece.num_rows},
                size=piece.num_rows,
            )
            for number, piece in enumerate(pieces)
        ]

    return Plan(fingerprint(same, content_fingerprint(rows), size), parts)


def _origin(audit: Audit) -> str | None:
    """Where masks are from; None where none are in use."""
    if isinstance(audit.masks, MadeMasks):
        return MADE
    return None if isinstance(audit.masks, NoMasks) else GIVEN


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The mask of each photo of a part, one photo at a time, so that no other decides it."""
    from xai_audit.network.compute import resolve

    masks, wanted = audit.masks, audit.settings.compute
    if not isinstance(masks, MadeMasks):
        raise TypeError("given masks are not made")
    compute = resolve(
        device=wanted.device, precision="fp32", batch_size=1, num_workers=wanted.num_workers
    )
    masks.maker.prepare(compute.device)
    rows = audit.selected()
    chosen = [row for part in parts for row in range(part.args["start"], part.args["stop"])]
    photos = _photos(audit, masks.maker.size, rows.take(chosen), compute.num_workers)
    root = audit.dataset.root
    for part in parts:
        made = []
        for row in range(part.args["start"], part.args["stop"]):
            made.append(_row(masks.maker, next(photos), record_of(rows, row, root)))
            progress(1)
        yield Finished(part, pa.Table.from_pylist(made, schema=MASKS))


def _photos(
    audit: Audit, size: int, rows: pa.Table, num_workers: int
) -> Iterator[torch.Tensor | None]:
    """Each photo (3, h, w) uint8, its shorter side of ``size`` px; None: it cannot be decoded."""
    from xai_audit.types import Preprocess
    from xai_audit.vision.canvas import Source
    from xai_audit.vision.workers import Workers

    source = Source(
        rows=rows,
        masks=NoMasks(),
        root=audit.dataset.root,
        preprocess=Preprocess(resize=size, crop=(size, size)),
        max_pixels=audit.settings.max_pixels,
        num_workers=num_workers,
        opener=audit.opener,
    )
    photos: Any = _Read(source, rows.column("image_id").to_pylist())
    yield from Workers(photos, num_workers=num_workers, batch_bytes=6 * size**2)


@dataclass(frozen=True)
class _Read:
    """The photos of ``ids`` in their order, as worker processes read them."""

    source: Source
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> torch.Tensor | None:
        canvas = self.source.read(self.ids[row])
        return None if canvas is None else canvas.photo


def _row(maker: MaskMaker, photo: torch.Tensor | None, image: ImageRecord) -> dict[str, Any]:
    """The row of MASKS of one photo."""
    row = {"image_id": image.image_id, "status": OK, "error": None, "mask": None}
    if photo is None:
        return row | {"status": "no_photo", "error": "the photo cannot be decoded"}
    try:
        return row | {"mask": encoded(maker.make(photo, image))}
    except MaskProblem as problem:
        return row | {"status": problem.status, "error": problem.message}


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Note where masks are from; of those that were made, how many were refused and why."""
    if not isinstance(audit.masks, MadeMasks):
        return {"masks": {"origin": _origin(audit)}}
    counts: Counter[str] = Counter()
    for file in files_of(audit.paths, MASK, parts):
        counts.update(pq.read_table(file, columns=["status"]).column(0).to_pylist())
    made, by = counts.pop(OK, 0), audit.masks.maker.by
    refused = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    log.info(
        "masks: %s made %d of %d; refused: %s",
        by, made, made + counts.total(), refused or "none",
    )  # fmt: skip
    return {"masks": {"origin": MADE, "by": by, "made": made, "refused": dict(counts)}}


MASK = Stage("mask", "index", _VERSION, "masks", plan, merge, work, needs=("index",))
