"""The brightness of a photo."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.cues._property import as_photo, background, described, luminance
from xai_audit.cues._surroundings import ObjectProperty

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

_LEVELS = np.arange(256, dtype=np.float64)
# A larger change destroys the photo: a black one cannot be brightened.
_GAIN = 3.0
_HALVINGS = 24
_KNOTS = (-2.0, -1.2, -0.8, -0.4, -0.1, 0.2, 0.6)


class Brightness(ObjectProperty):
    """The mean luma of the background; moved by one gain for all channels.

    Args:
        name: of the cue.
    """

    way = "both"

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """Log of the mean luma over mid-grey, in a piecewise-linear basis: (8,)."""
        value = math.log(max(_mean(_histogram(canvas)), 1.0) / 128)
        return np.array(described(value, _KNOTS), dtype=np.float32)

    def changed(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo as bright as the donor, its hues kept; (3, h, w) uint8."""
        gain = _gain(_histogram(canvas), _mean(_histogram(donor)))
        return as_photo(canvas.photo.numpy() * np.float32(gain))


def _histogram(canvas: Canvas) -> NDArray[np.float64]:
    """Shares (256,) of the background's pixels at each luma."""
    light = luminance(canvas.photo)[background(canvas)]
    counts = np.bincount(np.rint(light).astype(np.intp), minlength=256)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _mean(histogram: NDArray[np.float64]) -> float:
    """The mean luma, 0..255."""
    return float(histogram @ _LEVELS)


def _gain(histogram: NDArray[np.float64], mean: float) -> float:
    """The gain that gives the histogram this mean once its bright end is clipped.

    Bisection: the clipped mean rises with the gain. Where no gain within the bounds does, the
    bound.
    """
    low, high = math.log(1 / _GAIN), math.log(_GAIN)
    if abs(_mean(histogram) - mean) < 1e-9:
        return 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if histogram @ np.minimum(_LEVELS * math.exp(middle), 255) < mean:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
