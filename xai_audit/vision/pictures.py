"""Decoded pictures as streams, for datasets that hold pixels instead of files.

The stream is an uncompressed TIFF, so that what a dataset decoded goes through the same reader, the
same limits and the same conversion to RGB as a file, and back without a changed pixel.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
from PIL import Image

from xai_audit.errors import ImageProblem

_EXPECTED = (
    "a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W), of uint8, "
    "uint16, bool, or floats in 0..1"
)
# PIL has no RGB of 16 bits.
_TO_8_BITS = 257


class Picture(io.BytesIO):
    """The bytes of a picture.

    Attributes:
        mtime_ns: a number made of the bytes, in place of the time of their last change.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.mtime_ns = int.from_bytes(hashlib.blake2b(data, digest_size=7).digest())


def streamed(picture: object) -> Picture:
    """The stream of ``picture``, a PIL image, a numpy array or a torch tensor.

    Args:
        picture: of 8 bits, or grey of 16 bits; floats in 0..1 and colours of 16 bits are rounded
            to 8.

    Raises:
        ImageProblem: ``unsupported``: something else, as pixels that were normalised already.
    """
    image = picture if isinstance(picture, Image.Image) else _image(_array(picture))
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"):
        image = image.convert("RGB")
    data = io.BytesIO()
    # Not the tags of the file that it was read from: its pixels are already as they are to be seen.
    image.save(data, "TIFF", exif=b"", tiffinfo={}, compression=None)
    return Picture(data.getvalue())


def _array(picture: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401 - whatever a dataset gives
    """The pixels with the channels last."""
    is_tensor = hasattr(picture, "detach")  # torch is not imported for it
    values = picture.detach().cpu().numpy() if is_tensor else picture
    if not isinstance(values, np.ndarray):
        raise _wrong(type(picture).__name__)
    if values.ndim == 3 and is_tensor:
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise _wrong(f"{type(picture).__name__} {tuple(picture.shape)}")
    return np.ascontiguousarray(values)


def _image(values: np.ndarray[Any, Any]) -> Image.Image:
    """``values`` (H, W[, C]) as PIL holds them."""
    if values.dtype == np.uint8:
        return Image.fromarray(values)
    if values.dtype == bool:
        return Image.fromarray(values.astype(np.uint8) * 255)
    if values.dtype == np.uint16:
        if values.ndim == 2:
            return Image.fromarray(values)
        return Image.fromarray(np.rint(values / _TO_8_BITS).astype(np.uint8))
    if not np.issubdtype(values.dtype, np.floating):
        raise _wrong(f"an array of {values.dtype}")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not 0 <= low <= high <= 1:  # NaN, too
        raise _wrong(f"floats from {low:.3g} to {high:.3g}")
    return Image.fromarray(np.rint(values * 255.0).astype(np.uint8))


def _wrong(got: str) -> ImageProblem:
    return ImageProblem("unsupported", f"expected {_EXPECTED}; got {got}")
