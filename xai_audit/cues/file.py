"""Facts of a photo's file other than its pixels: size, format, camera."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.cues import _header as header
from xai_audit.cues._property import PhotoProperty

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_MODES = ("RGB", "L", "RGBA", "P", "CMYK")
_CAMERAS = 8


class FileFacts(PhotoProperty):
    """File-level facts; a model sees none of them, so only their availability is measured.

    Args:
        name: of the cue.
    """

    way = "none"

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """Logs of size and sides, format, mode, EXIF, camera, software: (27,); 0 where unknown."""
        record = canvas.record
        head = header.read(record.path, canvas.opener, stamp=(record.file_bytes, record.mtime_ns))
        sides = [math.log(max(record.width, 1)), math.log(max(record.height, 1))]
        return np.array([*sides, *_facts(head, sum(sides))], dtype=np.float32)

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo as it is."""
        return canvas.photo


def _facts(head: header.Header | None, log_pixels: float) -> list[float]:
    """The file's facts, all 0 where it cannot be read."""
    if head is None:
        return [0.0] * (2 + len(_FORMATS) + 1 + len(_MODES) + 1 + 2 + _CAMERAS)
    size = math.log(max(head.file_bytes, 1))
    cameras = [0.0] * _CAMERAS
    if head.camera:
        # Python's own hash differs from process to process.
        cameras[zlib.crc32(head.camera.lower().encode()) % _CAMERAS] = 1.0
    return [
        size,
        math.exp(size - log_pixels),
        *_one_hot(head.format, _FORMATS),
        *_one_hot(head.mode, _MODES),
        float(head.exif),
        float(head.software),
        *cameras,
    ]


def _one_hot(value: str, known: tuple[str, ...]) -> list[float]:
    """1 at the value's place, the last place for a value that is not known."""
    return [float(value == one) for one in known] + [float(value not in known)]
