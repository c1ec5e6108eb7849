"""The JPEG quality of a photo."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from xai_audit.cues import _header as header
from xai_audit.cues import _jpeg_traces as jpeg_traces
from xai_audit.cues._property import PhotoProperty, as_photo, described

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Canvas
    from xai_audit.vision.opening import Opener

# A photo stored at more than this many times the canvas, a side, keeps no trace in it.
_LARGEST_SCALE = 2.0
_BEST = 100.0
_KNOTS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0)


class JpegQuality(PhotoProperty):
    """The quality 1..100 of libjpeg's scale; 100 for a lossless or unknown file.

    Read from the file's quantisation table and, where the photo is not stored much larger than
    the canvas, also from its pixels: a bad JPEG saved again, as PNG or better JPEG, stays one.

    Args:
        name: of the cue.
    """

    way = "down"

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """The quality / 100 in a piecewise-linear basis, and the blockiness: (10,)."""
        quality, blocks = _traces(canvas)
        return np.array([*described(quality / 100, _KNOTS), blocks], dtype=np.float32)

    def level(self, canvas: Canvas) -> float:
        """The quality of the stored photo, 1..100."""
        return _traces(canvas)[0]

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo as a JPEG of the donor's quality; unchanged where that is not lower."""
        quality = self.level(donor)
        if quality >= self.level(canvas):
            return canvas.photo
        stored = min(donor.record.height, donor.record.width)
        scale = stored / min(donor.photo.shape[-2:])
        return _compressed(canvas.photo, round(quality), min(max(scale, 1.0), _LARGEST_SCALE))


def _traces(canvas: Canvas) -> tuple[float, float]:
    """(quality, blockiness) of the stored photo; (100, 0) where it cannot be opened."""
    record = canvas.record
    height, width = canvas.photo.shape[-2:]
    pixels = record.height * record.width
    # The file as it was indexed, so that a changed one is read again.
    file = (record.path, record.file_bytes, record.mtime_ns)
    return _read(file, canvas.opener, pixels if pixels <= _LARGEST_SCALE**2 * height * width else 0)


@lru_cache(maxsize=8192)
def _read(
    file: tuple[str, int | None, int | None], opener: Opener | None, max_pixels: int
) -> tuple[float, float]:
    """As :func:`_traces`; without its pixels where there are more than ``max_pixels``."""
    path, *stamp = file
    head = header.read(path, opener, stamp=(stamp[0], stamp[1]))
    quality = _BEST
    if head is not None and head.luma_table is not None:
        quality = jpeg_traces.of_table(head.luma_table)
    light = None
    if max_pixels and head is not None:
        light = header.luma(path, max_pixels=max_pixels, opener=opener)
    if light is None:
        return quality, 0.0
    return min(quality, jpeg_traces.of_pixels(light)), jpeg_traces.blockiness(light)


def _compressed(photo: torch.Tensor, quality: int, scale: float) -> torch.Tensor:
    """The photo with the error that a JPEG of it at ``scale`` times its size makes."""
    size = list(photo.shape[-2:])
    if scale == 1:
        return _through_jpeg(photo, quality)
    large = [round(side * scale) for side in size]
    enlarged = functional.resize(photo, large, antialias=True)
    error = _through_jpeg(enlarged, quality).float() - enlarged.float()
    # Only the error is added, so that resizing itself does not blur the photo.
    return as_photo((photo + functional.resize(error, size, antialias=True)).numpy())


def _through_jpeg(photo: torch.Tensor, quality: int) -> torch.Tensor:
    """The photo (3, h, w) uint8 encoded and decoded, chroma halved as PIL does by default."""
    buffer = io.BytesIO()
    Image.fromarray(photo.permute(1, 2, 0).contiguous().numpy()).save(
        buffer, "JPEG", quality=quality
    )
    with Image.open(buffer) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
