"""A corner: a square in one corner of the photo as stored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from xai_audit.cues._fill import cleared
from xai_audit.cues._strips import blended, overlap, resampled, resampling, scaled
from xai_audit.cues._texture import composition
from xai_audit.errors import ConfigError
from xai_audit.vision.geometry import CORNERS, at_end

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

# Side of the grey thumbnail that distinguishes marks by their shape.
_THUMBNAIL = 8


class Corner:
    """A corner square: logos, dates, copyright texts.

    Args:
        name: of the cue.
        corner: ``top_left``, ``top_right``, ``bottom_left`` or ``bottom_right``.
        side: of the square, as a share of the stored photo's shorter side.

    Raises:
        ConfigError: for another corner.
    """

    way = "both"
    needs_mask = False

    def __init__(self, *, name: str, corner: str, side: float) -> None:
        if corner not in CORNERS:
            raise ConfigError(
                "unknown corner", where=name, expected=f"one of {', '.join(CORNERS)}", got=corner
            )
        self.name = name
        self._far = CORNERS[corner]
        self._side = side

    def region(self, canvas: Canvas) -> torch.Tensor:
        """The square's share (h, w) float32 of each pixel."""
        height, width = canvas.photo.shape[1:]
        down, across = self._ends(canvas)
        return torch.outer(overlap(height, *down), overlap(width, *across))

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """Composition of the square and an 8 x 8 grey thumbnail; None if all object."""
        region = self.region(canvas)
        described = composition(canvas, region)
        if described is None:
            return None
        photo = cleared(canvas, region)
        weights = [
            resampling(_THUMBNAIL, (0, _THUMBNAIL), side, ends)
            for side, ends in zip(photo.shape[1:], self._ends(canvas), strict=True)
        ]
        grey = resampled(photo, *weights).mean(0).flatten() / 255
        return np.concatenate([described, grey.numpy()])

    def level(self, canvas: Canvas) -> float:  # noqa: ARG002 - the contract's signature
        """NaN: a corner has no level."""
        return math.nan

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo with the donor's square, resized, over its own."""
        source = cleared(donor, self.region(donor))
        weights = [
            resampling(canvas.photo.shape[axis + 1], ends, source.shape[axis + 1], donor_ends)
            for axis, (ends, donor_ends) in enumerate(
                zip(self._ends(canvas), self._ends(donor), strict=True)
            )
        ]
        return blended(canvas.photo, resampled(source, *weights), self.region(canvas))

    def _ends(self, canvas: Canvas) -> list[tuple[float, float]]:
        """(start, stop) of the square along rows and along columns, px."""
        sides = zip(self._far, scaled(canvas, self._side), canvas.photo.shape[1:], strict=True)
        return [at_end(float(side), length, far=far) for far, length, side in sides]
