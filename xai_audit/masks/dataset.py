"""The masks that the dataset itself brings, one file a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai_audit.errors import ConfigError, MaskProblem
from xai_audit.masks._coverage import CORRUPT, EMPTY, FULL, MISSING, value_rule
from xai_audit.masks._image_file import read_pixels
from xai_audit.masks._meaning import coverage_of
from xai_audit.masks._sources import shown
from xai_audit.store.address import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.types import ImageRecord

# Oxford Flowers-102 paints the background of its segmentations in this colour and stores JPEG
# (Nilsback & Zisserman 2008); a petal's own blue is never this pure.
_BLUE = (0, 0, 254)
_BLUE_TOLERANCE = 64


class DatasetMasks:
    """Masks named by the manifest.

    Args:
        object: values that are object, None: by the obvious reading of each mask.
        background: values that are background, None for all others.
        soft: grey value v is object coverage v and background coverage 255 - v.
        blue_background: the masks are photos cut out on blue, as Flowers-102's.
        required: whether a photo without a mask of its own is a problem of the mask's.
    """

    def __init__(
        self,
        *,
        object: Sequence[int] | None,
        background: Sequence[int] | None,
        soft: bool,
        blue_background: bool,
        required: bool,
    ) -> None:
        if soft and blue_background:
            raise ConfigError(
                "a mask is soft or on a blue background, not both",
                where="masks.soft, masks.blue_background",
                got="both true",
                remedy="set one of them to false",
            )
        self._rule = value_rule(object, background, soft=soft)
        self._blue, self._required = blue_background, required

    def load(self, image: ImageRecord) -> NDArray[np.uint8] | None:
        """The photo's coverage (2, height, width) uint8; MaskProblem where it has none."""
        if image.mask is None and not self._required:
            return None
        if image.mask is None:
            raise MaskProblem(MISSING, f"the dataset names no mask for {image.image_id}")
        path = path_of(image.mask)
        if self._blue:
            return _cut_out(path, image)
        return coverage_of(path, image, self._rule)

    def fingerprint(self) -> str:
        """The rule alone: the manifest holds the names of the masks."""
        return f"dataset {self._rule} blue_background={self._blue} required={self._required}"


def _cut_out(path: Path, image: ImageRecord) -> NDArray[np.uint8]:
    """Coverage (2, H, W) of a flower on blue: what is not blue is object."""
    mode, pixels = read_pixels(path, image)
    if mode != "RGB":
        raise MaskProblem(
            CORRUPT,
            f"{shown(path)} has mode {mode}: masks.blue_background expects an RGB image",
        )
    distance = np.abs(pixels - np.array(_BLUE, dtype=np.int16)).max(axis=2)
    is_object = distance > _BLUE_TOLERANCE
    if not is_object.any():
        raise MaskProblem(EMPTY, f"{shown(path)} is blue all over")
    return np.stack([is_object, ~is_object]).astype(np.uint8) * np.uint8(FULL)
