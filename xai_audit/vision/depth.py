"""How many of their 16 bits the grey photos of a dataset use: cameras and scanners store 12."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.errors import ImageProblem
from xai_audit.vision.header import identify, translated
from xai_audit.vision.opening import opened, opener_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

    from xai_audit.types import DatasetSource
    from xai_audit.vision.opening import Opener

_USUAL = (8, 12)
_SAMPLE_FORMAT = 339  # TIFF's tag; 1: without a sign


@dataclass(frozen=True)
class Scaled:
    """A dataset's opener, with the bits of its grey photos that are stored in 16.

    Attributes:
        opener: the dataset's.
        bits: white is ``2 ** bits - 1`` in every photo, so that their brightness stays comparable.
    """

    opener: Opener
    bits: int

    def __call__(self, path: str) -> Any:  # noqa: ANN401 - as the dataset's own
        """What the dataset's own gives of the photo at ``path``."""
        return self.opener(path)


def scaled(dataset: DatasetSource, bits: str | None) -> Opener:
    """The opener of ``dataset``, with the noted ``bits`` where there are fewer than 16."""
    opener = opener_of(dataset)
    return opener if bits is None else Scaled(opener, int(bits))


def bits_of(opener: Opener | None) -> int:
    """The bits of a grey photo that is stored in 16, read by ``opener``."""
    return opener.bits if isinstance(opener, Scaled) else 16


def sampled_bits(paths: Sequence[str], *, max_pixels: int, opener: Opener) -> tuple[int, int]:
    """The bits, 8, 12 or 16, that hold the largest number in grey photos of 16, and that number."""
    largest = max(_peak(path, max_pixels, opener) for path in paths)
    return next((bits for bits in _USUAL if largest < 2**bits), 16), largest


def whole_numbers(image: ImageFile) -> NDArray[Any]:
    """The numbers (H, W) of a grey image of more than 8 bits; loads it."""
    values: NDArray[Any] = np.asarray(image)
    if image.mode == "I" and image.format == "TIFF":
        signed = image.tag_v2.get(_SAMPLE_FORMAT, (1,))[0] != 1  # type: ignore[attr-defined]
        return values if signed else values.view(np.uint32)  # which Pillow takes for signed
    return values


def _peak(path: str, max_pixels: int, opener: Opener) -> int:
    """The largest number of a photo, 0 where it cannot be read."""
    try:
        with opened(path, opener) as file:
            image = identify(file.stream, path, max_pixels=max_pixels)
            with translated():
                return int(whole_numbers(image).max())
    except ImageProblem:
        return 0
