"""The contrast of a photo."""

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

# Below this mean luma the quotient is noise; below this spread there is nothing to stretch.
_DARK, _FLAT = 8.0, 0.5
# With a larger gain a photo is mostly clipped, with a smaller one mostly grey.
_GAIN = 2.5
_KNOTS = (-2.5, -1.8, -1.3, -1.0, -0.7, -0.4, 0.0)


class Contrast(ObjectProperty):
    """RMS contrast: the standard deviation of the background's luma over its mean.

    Source: Peli, Contrast in complex images, JOSA A 1990. Relative to the mean, so that a mere
    change of brightness is not one of contrast.

    Args:
        name: of the cue.
    """

    way = "both"

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """Log of the RMS contrast, in a piecewise-linear basis: (8,)."""
        return np.array(described(math.log(_contrast(canvas)), _KNOTS), dtype=np.float32)

    def changed(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo stretched about its own background's mean colour; (3, h, w) uint8.

        About the mean of each channel rather than of the luma: brightness and cast stay.
        """
        pixels = canvas.photo.numpy()
        gain = min(max(_contrast(donor) / _contrast(canvas), 1 / _GAIN), _GAIN)
        centre = pixels[:, background(canvas)].mean(axis=1, dtype=np.float64)
        fixed = (centre * (1 - gain)).astype(np.float32)
        return as_photo(pixels * np.float32(gain) + fixed[:, None, None])


def _contrast(canvas: Canvas) -> float:
    """The RMS contrast, above 0."""
    light = luminance(canvas.photo)[background(canvas)]
    spread = max(float(light.std(dtype=np.float64)), _FLAT)
    return spread / max(float(light.mean(dtype=np.float64)), _DARK)
