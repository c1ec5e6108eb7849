"""The depth of a photo's own frame: the innermost straight step along all four edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import maximum_filter1d

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

# Shares of the shorter side: as deep as a frame may be, and as the photo is looked at behind it.
_DEEPEST, _BEHIND = 0.2, 0.3
_DEPTHS = np.linspace(0, _DEEPEST, 101)
# The four sides of one frame may differ in depth by so much either way.
_UNEVEN = 0.012
# Levels a pixel from where on there is a step; the share of a side's length that has one where a
# frame ends, and how much more that is than what the photo has behind it.
_STEP, _SIDE, _MORE = 8.0, 0.6, 0.3
# Fewer rows of pixels have no place for a frame and a photo behind it.
_FEWEST = 8


def frame_depth(canvas: Canvas) -> float:
    """Depth of the frame as a share of the stored photo's shorter side; 0 without one.

    A soft vignette has no step, a wall of bricks or a lawn has them everywhere: neither is a frame.
    """
    if min(canvas.photo.shape[1:]) < _FEWEST:
        return 0.0
    photo = canvas.photo.to(torch.int16)
    stored = (canvas.record.height, canvas.record.width)
    lines = [(photo, stored[0] / min(stored)), (photo.mT, stored[1] / min(stored))]
    sides = [_steps(turned, ratio) for rows, ratio in lines for turned in (rows, rows.flip(1))]
    share, more = np.stack(sides).min(0)
    ends = np.flatnonzero((share >= _SIDE) & (more >= _MORE))
    # Each side's step was spread by the tolerance.
    return max(float(_DEPTHS[ends[-1]]) - _UNEVEN, 0.0) if len(ends) else 0.0


def _steps(photo: torch.Tensor, ratio: float) -> NDArray[np.float64]:
    """At each depth the share of the first edge's length with a step, and its surplus: (2, 101).

    Args:
        photo: (3, h, w) int16, the rows parallel to the edge.
        ratio: of the stored photo's side across them to its shorter side.
    """
    height, width = photo.shape[1:]
    a_share = height / ratio  # rows that the whole shorter side is long
    rows = min(int(_BEHIND * a_share) + 1, height - 2)
    margin = width // 10  # where another side's band lies
    part = photo[:, : rows + 2, margin : width - margin]
    # A soft edge, or one between two rows, takes two of them; a step may be one of colour alone.
    near, far = (part[:, k : rows + k] - part[:, :rows] for k in (1, 2))
    steps = torch.maximum(near.abs(), far.abs()).amax(0)
    share = (steps > _STEP).double().mean(1).numpy()
    behind = float(np.quantile(share[int(_DEEPEST * a_share) :], 0.8))
    spread = maximum_filter1d(share, 2 * round(_UNEVEN * a_share) + 1)
    at = np.clip(np.rint(_DEPTHS * a_share).astype(int) - 1, 0, rows - 1)
    return np.stack([spread[at], spread[at] - behind])
