"""What a photo's file says of itself before any pixel is decoded; PIL's own adapter for cues."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from xai_audit.cues._photo_stats import LUMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAKE, _MODEL, _SOFTWARE, _TAKEN, _EXIF = 0x010F, 0x0110, 0x0131, 0x0132, 0x8769


@dataclass(frozen=True)
class Header:
    """The file-level facts of one photo.

    Attributes:
        file_bytes: its size on disk.
        format: as PIL names it; MPO, a JPEG with a second picture, is JPEG.
        mode: as PIL names it.
        luma_table: the JPEG's first quantisation table, 64 steps, or None.
        exif: whether anything of a camera or of the time is noted.
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


def read(path: str) -> Header | None:
    """The header of the file, or None where it is not there or not readable; never raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            size = Path(path).stat().st_size
            with Image.open(path) as image:
                return _header(image, size)
    except Exception:
        # On damaged files PIL raises nearly everything; an unknown file is an answer here.
        return None


def luma(path: str) -> NDArray[np.float32] | None:
    """The stored photo's luma (height, width) float32, 0..255, not turned by EXIF; or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    except Exception:
        # As above.
        return None
    light: NDArray[np.float32] = pixels @ LUMA
    return light


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
        # A TIFF's own layout counts as EXIF to PIL; only these tags tell something.
        exif=any(tag in exif for tag in (_MAKE, _MODEL, _TAKEN, _EXIF)),
        camera=camera,
        software=_SOFTWARE in exif,
    )
