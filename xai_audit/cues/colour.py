"""The colour cast of a photo: the tint of its light."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.cues._property import LUMA, as_photo, background, described
from xai_audit.cues._surroundings import ObjectProperty

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

# Minkowski norm of the illuminant: between grey world (1) and white patch (infinite). The paper has
# 6; on the backgrounds of real photos a cast stands out more with 12, which a test measures.
_NORM = 12
# A channel at its maximum no longer shows the pixel's colour.
_CLIPPED = 250
_FEWEST = 64
# Real light does not tint a photo more than this; larger differences come from the content.
_GAIN = 3.0
_KNOTS = (-1.0, -0.6, -0.3, -0.1, 0.1, 0.3, 0.6, 1.0)


class Colour(ObjectProperty):
    """The cast as a von Kries gain a channel, estimated by Shades of Grey on the background.

    Source: Finlayson and Trezzi, Shades of Gray and Colour Constancy, CIC 2004. Coded
    values: a gain of linear light is, but for the foot of the sRGB curve, a gain of these too.

    Args:
        name: of the cue.
    """

    way = "both"

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """Log red/green and log blue/green, each in a piecewise-linear basis: (18,)."""
        red, green, blue = _light(canvas)
        values = (math.log(red / green), math.log(blue / green))
        return np.array([x for v in values for x in described(v, _KNOTS)], dtype=np.float32)

    def changed(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo under the donor's cast, as bright as it was; (3, h, w) uint8."""
        own, other = _light(canvas), _light(donor)
        # The same luma as before, so that a cast is not also a change of brightness.
        gains = other * (own @ LUMA) / (other @ LUMA) / own
        held = gains.clip(1 / _GAIN, _GAIN).astype(np.float32)
        return as_photo(canvas.photo.numpy() * held[:, None, None])


def _light(canvas: Canvas) -> NDArray[np.float64]:
    """The colour of the light (3,), in units of the coded pixel, at least 1."""
    pixels, seen = canvas.photo.numpy(), background(canvas)
    whole = seen & (pixels.max(axis=0) < _CLIPPED)
    if whole.sum() >= _FEWEST:
        # A cast that clips a pixel takes it out for all channels: the ratios stay right.
        seen = whole
    counts = np.stack([np.bincount(channel[seen], minlength=256) for channel in pixels])
    powered = counts @ np.linspace(0, 1, 256) ** _NORM / counts.sum(axis=1)
    light: NDArray[np.float64] = (255 * powered ** (1 / _NORM)).clip(min=1)
    return light
