"""The resolution of a photo as stored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from xai_audit.cues._property import PhotoProperty, described

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

# Log2 of the share of the canvas's px that were stored.
_KNOTS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0)


class Resolution(PhotoProperty):
    """The stored shorter side over the canvas's, at most 1: a larger photo loses nothing.

    A photo enlarged before it was stored counts as stored; its softness is the sharpness cue's.

    Args:
        name: of the cue.
    """

    way = "down"

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """Log2 of the level, in a piecewise-linear basis: (7,)."""
        return np.array(described(math.log2(self.level(canvas)), _KNOTS), dtype=np.float32)

    def level(self, canvas: Canvas) -> float:
        """The stored shorter side over the canvas's, above 0, at most 1."""
        stored = min(canvas.record.height, canvas.record.width)
        return min(stored / min(canvas.photo.shape[-2:]), 1.0)

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo shrunk to the donor's stored detail and enlarged as the model's resize does."""
        level = self.level(donor)
        if level >= self.level(canvas):
            return canvas.photo
        size = list(canvas.photo.shape[-2:])
        small = [max(round(side * level), 1) for side in size]
        shrunk = _shrunk(canvas.photo, small)
        enlarged: torch.Tensor = functional.resize(
            shrunk,
            size,
            interpolation=InterpolationMode(canvas.preprocess.interpolation),
            antialias=canvas.preprocess.antialias,
        )
        return enlarged


def _shrunk(photo: torch.Tensor, size: list[int]) -> torch.Tensor:
    """The photo (3, h, w) uint8 at a smaller ``size``, antialiased bilinear."""
    # torch's kernel for uint8 fails, or gives other pixels' values, where the result is 1 px wide.
    source = photo.float() if size[1] == 1 else photo
    shrunk: torch.Tensor = functional.resize(
        source, size, interpolation=InterpolationMode.BILINEAR, antialias=True
    )
    return shrunk.round().to(torch.uint8)
