"""A photo's pixels, upright and as 8-bit RGB: those that the model, the cues and the report see.

Colours are those of torchvision's default loader, PIL's ``convert("RGB")``, since that is what a
model was trained with: alpha is dropped, not blended, CMYK is converted without a colour profile.
Numbers beyond 8 bits are scaled, where PIL would clip them; of colour PIL keeps the upper 8 of 16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.vision.depth import bits_of, whole_numbers
from xai_audit.vision.header import identify, orientation, translated
from xai_audit.vision.opening import opened

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

    from xai_audit.types import ImageRecord, Preprocess
    from xai_audit.vision.opening import Opener, Stamp

_PHOTOMETRIC = 262  # TIFF's tag PhotometricInterpretation


def decoded(
    record: ImageRecord,
    preprocess: Preprocess,
    *,
    max_pixels: int,
    opener: Opener | None = None,
    smallest: int = 0,
) -> NDArray[np.uint8]:
    """The photo (h, w, 3) uint8 as the model's resize gets it: a JPEG as small as that allows.

    Args:
        record: of the photo.
        preprocess: of the model.
        max_pixels: of the photo as stored.
        opener: the dataset's; None for local files.
        smallest: px that the shorter side of a large photo keeps at least, whatever the resize.

    Raises:
        ImageProblem: as :func:`decode`; ``changed`` where it is not what was indexed.
    """
    resize = preprocess.resize
    shorter = resize if isinstance(resize, int) or resize is None else max(resize)
    if not preprocess.antialias or preprocess.interpolation == "nearest":
        shorter = None  # a JPEG decoded small is antialiased, which this model's input is not
    if shorter is not None:
        shorter = max(shorter, -(-smallest // 2))  # decode keeps twice as many px
    stamp = (record.file_bytes, record.mtime_ns)
    return decode(
        record.path, shorter_side=shorter, max_pixels=max_pixels, opener=opener, stamp=stamp
    )


def decode(
    path: str,
    *,
    shorter_side: int | None,
    max_pixels: int,
    opener: Opener | None = None,
    stamp: Stamp = (None, None),
) -> NDArray[np.uint8]:
    """The photo (H, W, 3) uint8, upright by its EXIF orientation; of an animation the first frame.

    Args:
        path: as ``ImageRecord.path``.
        shorter_side: of the model's resize, px; a JPEG is then decoded at 1/2, 1/4 or 1/8 as long
            as its shorter side stays at least twice that. None: at full size.
        max_pixels: of the photo as stored.
        opener: the dataset's; None for a local file.
        stamp: of the photo when it was indexed.

    Raises:
        ImageProblem: as :func:`xai_audit.index.rows.probe`; ``unreadable`` also where the pixels
            are cut short; ``changed`` where it has another ``stamp``.
    """
    pixels, turned = as_stored(
        path, shorter_side=shorter_side, max_pixels=max_pixels, opener=opener, stamp=stamp
    )
    return np.ascontiguousarray(upright(pixels, turned))


def as_stored(
    path: str,
    *,
    shorter_side: int | None,
    max_pixels: int,
    opener: Opener | None = None,
    stamp: Stamp = (None, None),
) -> tuple[NDArray[np.uint8], int]:
    """The pixels (H, W, 3) uint8 before they are turned, and the EXIF orientation to turn them by.

    Args and errors are those of :func:`decode`. A TIFF comes upright, with orientation 1.
    """
    with opened(path, opener) as file:
        file.check_unchanged(stamp)
        image = identify(file.stream, path, max_pixels=max_pixels)
        # PIL turns a TIFF itself when it loads it.
        turned = 1 if image.format == "TIFF" else orientation(image)
        with translated():
            # Plugins of other formats may take a thumbnail in the file, which is another photo.
            if shorter_side is not None and image.format in ("JPEG", "MPO"):
                image.draft("RGB", (2 * shorter_side, 2 * shorter_side))
            image.load()
            return _rgb(image, bits_of(opener)), turned


def upright(pixels: NDArray[Any], turned: int) -> NDArray[Any]:
    """``pixels`` (H, W, ...) stored in EXIF orientation ``turned`` (1..8) as they are to be seen.

    Source: CIPA DC-008 (Exif 2.32), tag Orientation.
    """
    if turned >= 5:
        pixels = pixels.swapaxes(0, 1)
    if turned in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turned in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _rgb(image: ImageFile, bits: int) -> NDArray[np.uint8]:
    """The loaded image as a new array (H, W, 3) uint8."""
    if image.mode == "F" or image.mode.startswith("I"):
        grey = _eight_bits(whole_numbers(image), image.mode, bits)
        if image.mode.startswith("I;16") and image.format == "TIFF" and _white_is_zero(image):
            grey = 255 - grey
        return np.repeat(grey[..., None], 3, axis=2)
    # PIL warns about a palette's alpha before it drops it, which is what is wanted.
    image.info.pop("transparency", None)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _white_is_zero(image: ImageFile) -> bool:
    """Whether a TIFF's 0 is white, which PIL heeds in up to 8 bits only."""
    return image.tag_v2.get(_PHOTOMETRIC) == 0  # type: ignore[attr-defined, no-any-return]


def _eight_bits(values: NDArray[Any], mode: str, bits: int) -> NDArray[np.uint8]:
    """Grey ``values`` (H, W) of more than 8 bits scaled to 0..255; below zero and NaN are black.

    White is the end of the narrowest usual range that holds them: that of ``bits`` for whole
    numbers; 1, 255 or 65535 for floats; failing these the largest value. Infinity is white. Fewer
    than 16 bits are the dataset's, and what a photo has beyond them is white.
    """
    grey = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=np.inf, neginf=0.0)
    finite = grey[np.isfinite(grey)]
    peak = float(finite.max()) if finite.size else 0.0
    usual = (1.0, 255.0, 65535.0) if mode == "F" else (2.0**bits - 1,)
    fixed = mode != "F" and bits < 16
    white = usual[0] if fixed else next((end for end in usual if peak <= end), peak)
    return np.rint(np.clip(grey / white, 0.0, 1.0) * 255.0).astype(np.uint8)
