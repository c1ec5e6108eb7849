"""Mask images read as stored, safely: regular files of exactly the photo's size."""

from __future__ import annotations

import os
import struct
import sys
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from xai_audit.errors import ImageProblem, MaskProblem
from xai_audit.masks._coverage import CORRUPT, MISSING, SIZE_MISMATCH, same_size
from xai_audit.masks._sources import reason, shown
from xai_audit.vision.header import identify
from xai_audit.vision.opening import anywhere, opened

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord

# What masks come in; none of these starts a program, as EPS does.
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF")
# What Pillow raises on damaged pixels; no MemoryError, which is no fault of the mask's.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
)
INTEGER_MODES = ("L", "P", "I", "I;16", "I;16B", "I;16L")


def read_pixels(path: Path, image: ImageRecord) -> tuple[str, NDArray[Any]]:
    """Pillow's mode and the pixels as stored, (H, W) or (H, W, C), of a mask image.

    Raises:
        MaskProblem: as :func:`read_picture`.
    """
    picture = read_picture(path, image)
    return picture.mode, np.asarray(picture)


def read_picture(path: Path, image: ImageRecord) -> Image.Image:
    """A mask image as Pillow loads it.

    Raises:
        MaskProblem: ``missing``, ``size_mismatch`` (by the header, nothing is decoded) or
            ``corrupt`` for what is no regular file or cannot be read or decoded.
    """
    try:
        # Warnings about odd metadata: the size is checked here, exactly.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decoded(path, image)
    except MaskProblem:
        raise
    except ImageProblem as problem:
        if isinstance(problem.__cause__, FileNotFoundError | NotADirectoryError):
            raise MaskProblem(MISSING, f"there is no {shown(path)}") from problem
        status = SIZE_MISMATCH if problem.status == "too_large" else CORRUPT
        message = f"{shown(path)} cannot be read: {problem.message}"
        raise MaskProblem(status, message) from problem
    except Image.DecompressionBombError as exc:
        raise MaskProblem(SIZE_MISMATCH, f"{shown(path)} is far too large: {reason(exc)}") from exc
    except _DAMAGE as exc:
        raise MaskProblem(CORRUPT, f"{shown(path)} cannot be read: {reason(exc)}") from exc


def _decoded(path: Path, image: ImageRecord) -> Image.Image:
    name = os.fspath(path)
    with opened(name, anywhere) as file:
        picture = identify(file.stream, name, max_pixels=sys.maxsize, formats=_FORMATS)
        same_size(picture.height, picture.width, image, what=shown(path))
        # Pillow keeps the upper 8 of 16 bits a colour channel: labels 1, 2, ... would all be 0.
        if picture.mode in ("RGB", "RGBA", "LA") and "16" in str(picture.tile):
            raise MaskProblem(
                CORRUPT, f"{shown(path)} has 16 bits a channel in colour; store the mask as grey"
            )
        picture.load()
        return picture


def read_values(path: Path, image: ImageRecord, *, grey: bool) -> NDArray[Any]:
    """The integer values (H, W) of a mask: palette index, grey value, 0/255 of 1-bit, label.

    Colour is taken where it is grey: all channels equal and an alpha channel that adds nothing.
    Grey PNGs of 2 and 4 bits come scaled to 0..255, as those of 1 bit do.

    Args:
        path: of the mask.
        image: its photo.
        grey: values must be brightness, so a palette's index will not do.

    Raises:
        MaskProblem: as :func:`read_pixels`, and ``corrupt`` for other modes and colours.
    """
    mode, pixels = read_pixels(path, image)
    if mode == "P" and grey:
        raise MaskProblem(CORRUPT, f"{shown(path)} has a palette; a soft mask must be grey")
    if mode == "1":
        return pixels.astype(np.uint8) * np.uint8(255)
    if mode in ("RGB", "RGBA", "LA"):
        return _grey(pixels, alpha=mode.endswith("A"), name=shown(path))
    if mode in INTEGER_MODES:
        return pixels
    raise MaskProblem(
        CORRUPT, f"{shown(path)} has mode {mode}: expected palette, grey, 1-bit or 16-bit labels"
    )


def _grey(pixels: NDArray[Any], *, alpha: bool, name: str) -> NDArray[Any]:
    """The one channel (H, W) that all colour channels of (H, W, C) equal."""
    first, colours = pixels[..., 0], pixels[..., :-1] if alpha else pixels
    if (colours != first[..., None]).any():
        raise MaskProblem(
            CORRUPT,
            f"{name} is in colour: its channels differ, so a pixel has no single value; store the "
            "mask as palette or grey",
        )
    # Which of the two carries the mask is unclear: white with a cut-out reads as all object.
    if alpha and np.ptp(pixels[..., -1]) and (pixels[..., -1] != first).any():
        raise MaskProblem(
            CORRUPT, f"{name} has transparency that its grey values do not show; store it as grey"
        )
    return first
