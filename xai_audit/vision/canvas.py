"""Canvases: photos resized for the model but not cropped, with the pixels that may be object."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import torch
from torchvision import tv_tensors

from xai_audit.errors import CueProblem, ImageProblem, MaskProblem, PluginError
from xai_audit.run.manifest import record_of
from xai_audit.types import Canvas
from xai_audit.vision.decode import decoded
from xai_audit.vision.geometry import view
from xai_audit.vision.loader import placed
from xai_audit.vision.remembered import LastUsed
from xai_audit.vision.transform import Coverage, resized, to_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xai_audit.types import Cue, ImageRecord, MaskSource, Preprocess
    from xai_audit.vision.opening import Opener

log = logging.getLogger(__name__)

# Bytes of canvases that a worker keeps: a donor serves many images.
_KEPT = 128 * 2**20


@dataclass(frozen=True)
class Source:
    """Makes canvases from the photos of a manifest.

    Attributes:
        rows: the selected rows of the manifest.
        masks: the source of object masks.
        root: of the dataset.
        preprocess: of the model.
        max_pixels: no photo above it is decoded.
        num_workers: processes that read; 0 reads in this one.
        opener: the dataset's; None for local files.
    """

    rows: pa.Table
    masks: MaskSource
    root: Path
    preprocess: Preprocess
    max_pixels: int
    num_workers: int
    opener: Opener | None = None

    @cached_property
    def _rows_by_id(self) -> dict[str, int]:
        ids = self.rows.column("image_id").to_pylist()
        return {image_id: row for row, image_id in enumerate(ids)}

    def read(self, image_id: str) -> Canvas | None:
        """The canvas of ``image_id``, None for a photo that cannot be decoded."""
        record = record_of(self.rows, self._rows_by_id[image_id], self.root)
        try:
            geometry = placed(record, self.preprocess, self.max_pixels)
            pixels = decoded(
                record, self.preprocess, max_pixels=self.max_pixels, opener=self.opener
            )
        except ImageProblem as problem:
            _say_left_out(image_id, problem.message)
            return None
        photo = tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1))
        whole = resized(photo, geometry, self.preprocess).as_subclass(torch.Tensor)
        return Canvas(
            record, whole.contiguous(), self._object(record), self.preprocess, self.opener
        )

    def _object(self, record: ImageRecord) -> torch.Tensor | None:
        """The pixels (h, w) uint8 of the canvas that are not surely background: object or void."""
        try:
            coverage = self.masks.load(record)
        except MaskProblem:
            return None
        if coverage is None:
            return None
        geometry = view((record.height, record.width), self.preprocess)
        background = Coverage(torch.from_numpy(coverage[1:2]))
        whole: torch.Tensor = resized(background, geometry, self.preprocess)
        inverse: torch.Tensor = 255 - whole.as_subclass(torch.Tensor)[0]
        return inverse


class Canvases:
    """The canvases of a source; those used last are kept, up to 128 MiB of them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept: LastUsed[Canvas | None] = LastUsed(_KEPT, _bytes)

    def __getitem__(self, image_id: str) -> Canvas | None:
        """The canvas of ``image_id``, None for a photo that cannot be decoded."""
        return self._kept.get(image_id, lambda: self._source.read(image_id))


@lru_cache(maxsize=65_536)
def _say_left_out(image_id: str, reason: str) -> None:
    """Log, once, that a photo which the main pass has read cannot be read again."""
    log.warning("%s is left out from here on: %s", image_id, reason)


def _bytes(canvas: Canvas | None) -> int:
    """The size of its pixels and mask."""
    if canvas is None:
        return 0
    return canvas.photo.nbytes + (0 if canvas.object is None else canvas.object.nbytes)


@contextmanager
def one_thread() -> Iterator[None]:
    """A block in which torch uses one thread: for small images more threads are slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seen(photo: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """The model's view (C, H, W) of a canvas's photo or region, whatever its aspect ratio."""
    height, width = photo.shape[-2:]
    geometry = view((height, width), preprocess)
    found: torch.Tensor = to_view(tv_tensors.Image(photo), geometry, preprocess)
    plain: torch.Tensor = found.as_subclass(torch.Tensor)
    return plain


@contextmanager
def asked(cue: Cue, *canvases: Canvas) -> Iterator[None]:
    """A block that calls ``cue`` on ``canvases``, a photo and its donors.

    Raises:
        CueProblem: the cue raises anything but a PluginError.
    """
    try:
        yield
    except (CueProblem, PluginError):
        raise
    except Exception as exc:  # a user's cue may raise anything
        raise CueProblem.of(exc, cue=cue.name, where=_named(canvases)) from exc


def _named(canvases: Sequence[Canvas]) -> str:
    """The image ids of a photo and its donors."""
    return ", donor ".join(canvas.record.image_id for canvas in canvases)


def fitted(cue: Cue, canvases: Sequence[Canvas]) -> Cue:
    """``cue`` fitted to ``canvases``, see :class:`~xai_audit.types.Cue`; as it is without that.

    Raises:
        CueProblem: the cue raises.
    """
    method = getattr(cue, "fitted", None)
    with asked(cue, *canvases):
        found: Cue = cue if method is None else method(canvases)
    return found


def transplanted(cue: Cue, canvas: Canvas, donor: Canvas, *, whole: bool = False) -> torch.Tensor:
    """``cue.transplant``, or ``cue.changed`` of the whole photo, its output checked.

    Raises:
        CueProblem: the cue raises.
        PluginError: it gives no photo.
    """
    with asked(cue, canvas, donor):
        change = getattr(cue, "changed") if whole else cue.transplant  # noqa: B009 - optional
        photo = change(canvas, donor)
    known = isinstance(photo, torch.Tensor)
    if not known or photo.dtype != torch.uint8 or photo.shape[:-2] != (3,) or not photo.numel():
        raise PluginError(
            f"cue {cue.name} broke its contract",
            where=_named((canvas, donor)),
            expected="a photo (3, h, w) uint8",
            got=f"{tuple(photo.shape)} {photo.dtype}" if known else type(photo).__name__,
        )
    return photo
