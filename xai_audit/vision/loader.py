"""Photos and masks from disk, decoded and placed in the model's view by worker processes.

Nothing here raises for a bad file: a photo that cannot be used arrives as a problem, a mask that
cannot be used as a status, and the batch goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

from xai_audit.errors import ImageProblem, MaskProblem, is_out_of_memory
from xai_audit.run.manifest import record_of
from xai_audit.schema import OK
from xai_audit.vision.decode import decoded
from xai_audit.vision.geometry import view
from xai_audit.vision.transform import joint
from xai_audit.vision.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from xai_audit.types import ImageRecord, MaskSource, Preprocess
    from xai_audit.vision.geometry import Geometry
    from xai_audit.vision.opening import Opener

_PLANES = 5  # of a photo and its mask, a byte a pixel

# A mask status of its own for a dataset without masks.
NO_MASK = "none"


@dataclass(frozen=True)
class Decision:
    """What the model says of a photo and a class, where photos have several labels.

    Attributes:
        pred: the class's output; ``schema.ABSENT`` where it is not decided for.
        confidence: the probability of that decision, 0..1; NaN where an output is not finite.
        absent: whether the photo lacks the class.
    """

    pred: int
    confidence: float
    absent: bool


@dataclass(frozen=True)
class Batch:
    """The usable images of a few consecutive rows, and the problems of the others.

    Attributes:
        records: the B usable images.
        photos: (B, 3, H, W) uint8 in the model's view, or None where only masks are read.
        coverage: (B, 2, H, W) uint8 object and background, 0 where there is no mask; None where
            masks are not in use.
        mask_status: B statuses.
        problems: image_id -> (status, message) of the rows that are not usable.
        decisions: of photos with several labels, where a record is of a photo and a class: B; None
            elsewhere.
    """

    records: list[ImageRecord]
    photos: torch.Tensor | None
    coverage: torch.Tensor | None
    mask_status: list[str]
    problems: dict[str, tuple[str, str]]
    decisions: list[Decision] | None = None

    def images(self, piece: slice) -> Batch:
        """The images ``piece`` of the batch."""
        return Batch(
            records=self.records[piece],
            photos=None if self.photos is None else self.photos[piece],
            coverage=None if self.coverage is None else self.coverage[piece],
            mask_status=self.mask_status[piece],
            problems=self.problems,
            decisions=None if self.decisions is None else self.decisions[piece],
        )

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory; the DataLoader calls it."""
        photos = None if self.photos is None else self.photos.pin_memory()
        coverage = None if self.coverage is None else self.coverage.pin_memory()
        return replace(self, photos=photos, coverage=coverage)


@dataclass(frozen=True)
class LoadSettings:
    """The settings by which photos are read.

    Attributes:
        root: image paths are relative to it.
        preprocess: places photos in the model's view.
        max_pixels: no photo above this is decoded.
        batch_size: images a batch.
        num_workers: worker processes; 0 decodes in this one.
        pin_memory: whether batches go to a CUDA device.
        photos: False reads masks only.
        opener: the dataset's, by which worker processes read; None for local files.
    """

    root: Path
    preprocess: Preprocess
    max_pixels: int
    batch_size: int
    num_workers: int
    pin_memory: bool = False
    photos: bool = True
    opener: Opener | None = None


class Photos(Dataset["_Item"]):
    """The selected rows of a manifest as decoded photos with their masks."""

    def __init__(self, manifest: pa.Table, masks: MaskSource, settings: LoadSettings) -> None:
        self._manifest, self._masks, self._settings = manifest, masks, settings

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._manifest.num_rows)

    def __getitem__(self, index: int) -> _Item:
        """Row ``index``, decoded; never raises for a bad file."""
        record = record_of(self._manifest, index, self._settings.root)
        try:
            return self._loaded(record)
        except ImageProblem as problem:
            status, message = problem.status, problem.message
        except (MemoryError, RuntimeError) as exc:
            if not is_out_of_memory(exc):
                raise
            status, message = "out_of_memory", "decoding or resizing it does not fit in memory"
        if not self._settings.photos:  # the image is explained already; only its mask is lost
            return _Item(record, None, None, status)
        return _Item(record, None, None, NO_MASK, (status, message))

    def _loaded(self, record: ImageRecord) -> _Item:
        preprocess, most = self._settings.preprocess, self._settings.max_pixels
        geometry, photo = placed(record, preprocess, most), None
        if self._settings.photos:
            opener = self._settings.opener
            photo = decoded(record, preprocess, max_pixels=most, opener=opener)
        status, coverage = OK, None
        try:
            coverage = self._masks.load(record)
            status = OK if coverage is not None else NO_MASK
        except MaskProblem as problem:
            status = problem.status
        views = joint(photo, coverage, geometry, preprocess)
        # Plain tensors from here on: a tv_tensor takes a detour at every operation.
        view_photo, view_mask = (t if t is None else t.as_subclass(torch.Tensor) for t in views)
        return _Item(record, view_photo, view_mask, status)


def placed(record: ImageRecord, preprocess: Preprocess, max_pixels: int) -> Geometry:
    """The photo's geometry in the model's view.

    Raises:
        ImageProblem: ``too_large`` once resized, as a strip of one pixel's height would be.
    """
    geometry = view((record.height, record.width), preprocess)
    if math.prod(geometry.resized) > max_pixels:
        height, width = geometry.resized
        message = f"resized for the model it has {height} x {width} px, more than {max_pixels}"
        raise ImageProblem("too_large", message)
    return geometry


@dataclass(frozen=True)
class _Item:
    record: ImageRecord
    photo: torch.Tensor | None
    coverage: torch.Tensor | None
    mask_status: str
    problem: tuple[str, str] | None = None


def batches(
    photos: Photos, ranges: Sequence[range], settings: LoadSettings
) -> Iterator[tuple[range, Batch]]:
    """Every range of rows, in order, in batches that never cross a range's border.

    Yields:
        The rows that the batch covers, usable or not, and the batch.
    """
    size = settings.batch_size
    slices = [chunk for rows in ranges for chunk in _chunks(rows, size)]
    workers = Workers(
        photos,
        num_workers=settings.num_workers,
        collate=_collate,
        batch_bytes=_PLANES * size * math.prod(settings.preprocess.crop),
        batch_sampler=slices,
        pin_memory=settings.pin_memory,
    )
    yield from zip(slices, workers, strict=True)


def _chunks(rows: range, size: int) -> list[range]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _collate(items: list[_Item]) -> Batch:
    usable = [item for item in items if item.problem is None]
    photos = [item.photo for item in usable if item.photo is not None]
    return Batch(
        records=[item.record for item in usable],
        photos=torch.stack(photos) if photos else None,
        coverage=_stacked([item.coverage for item in usable]),
        mask_status=[item.mask_status for item in usable],
        problems={i.record.image_id: i.problem for i in items if i.problem is not None},
    )


def _stacked(coverages: list[torch.Tensor | None]) -> torch.Tensor | None:
    known = next((c for c in coverages if c is not None), None)
    if known is None:
        return None
    return torch.stack([torch.zeros_like(known) if c is None else c for c in coverages])
