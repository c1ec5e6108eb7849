"""The facts of a photo's file header, and its luma as stored, for the cues about files."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from xai_audit.cues._property import LUMA
from xai_audit.errors import ImageProblem
from xai_audit.vision.decode import as_stored
from xai_audit.vision.header import identify, translated
from xai_audit.vision.opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xai_audit.vision.opening import Opener, Stamp

_MAKE, _MODEL, _SOFTWARE, _TAKEN, _EXIF = 0x010F, 0x0110, 0x0131, 0x0132, 0x8769


@dataclass(frozen=True)
class Header:
    """The file-level facts of one photo.

    Attributes:
        file_bytes: its size.
        format: as PIL names it; MPO, a JPEG with a second picture, is JPEG.
        mode: as PIL names it.
        luma_table: the JPEG's first quantisation table, 64 steps, or None.
        exif: whether it notes a camera or a time.
        camera: its make and model, empty where unknown.
        software: whether a program signed it.
    """

    file_bytes: int
    format: str
    mode: str
    luma_table: tuple[int, ...] | None
    exif: bool
    camera: str
    software: bool


def read(path: str, opener: Opener | None = None, *, stamp: Stamp = (None, None)) -> Header | None:
    """The header of the photo, or None where it cannot be opened or read; never raises.

    None too where it is not the photo that was indexed, with this ``stamp``.
    """
    try:
        with _quiet(), opened(path, opener) as file:
            file.check_unchanged(stamp)
            # No pixel is decoded, so there may be any number of them.
            image = identify(file.stream, path, max_pixels=sys.maxsize)
            with translated():
                return _header(image, file.size)
    except ImageProblem:
        return None


def luma(path: str, *, max_pixels: int, opener: Opener | None = None) -> NDArray[np.float32] | None:
    """The stored photo's luma (height, width) float32, 0..255, not turned by EXIF; or None."""
    try:
        with _quiet():
            pixels, _ = as_stored(path, shorter_side=None, max_pixels=max_pixels, opener=opener)
    except ImageProblem:
        return None
    light: NDArray[np.float32] = pixels.astype(np.float32) @ LUMA
    return light


@contextmanager
def _quiet() -> Iterator[None]:
    """A block in which PIL's warnings about odd metadata are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _header(image: Image.Image, size: int) -> Header:
    """The facts of an opened image."""
    # The base class's: PngImageFile's own decodes all pixels first.
    exif = Image.Image.getexif(image)
    tables = getattr(image, "quantization", None)
    camera = " ".join(str(exif[tag]).strip("\0 ") for tag in (_MAKE, _MODEL) if tag in exif)
    named = image.format or ""
    return Header(
        file_bytes=size,
        format="JPEG" if named == "MPO" else named,
        mode=image.mode,
        luma_table=tuple(tables[min(tables)]) if tables else None,
        # A TIFF's own layout counts as EXIF to PIL; only these tags are informative.
        exif=any(tag in exif for tag in (_MAKE, _MODEL, _TAKEN, _EXIF)),
        camera=camera,
        software=_SOFTWARE in exif,
    )
