"""The composition of a region: colours, local patterns, edges, from a fixed number of its pixels.

From every photo the same number of pixels is drawn, by one fixed sequence and in proportion to the
region's height profile, so that the numbers do not depend on what part the object hides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai_audit.cues._fill import halo

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from xai_audit.types import Canvas

DRAWN = 4096
# Fewer free pixels than this do not describe a region.
_FEWEST = 64
# Horizontal strips of the region, each drawn from as often as it is large.
_STRIPS = 16
_EDGE = 32.0
_ORIENTATIONS = 8
# The 3 x 3 neighbourhood in a circle, (dy, dx).
CIRCLE = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def composition(canvas: Canvas, region: torch.Tensor | None) -> NDArray[np.float32] | None:
    """The region's description (D,) float32, its object left out; None where too little is free.

    Args:
        canvas: of the photo.
        region: (h, w) share of each pixel; None: the whole photo.
    """
    size = canvas.photo.shape[1:]
    inside = np.ones(size, bool) if region is None else region.numpy() >= 0.5
    free = inside.copy()
    # The outermost pixels lack neighbours, so they look special, and a large object leaves mostly
    # those.
    free[[0, -1]] = free[:, [0, -1]] = False
    if canvas.object is not None:
        free &= ~halo(canvas.object).numpy()
    return describe(canvas.photo, inside, free)


def describe(
    photo: torch.Tensor, inside: NDArray[np.bool_], free: NDArray[np.bool_]
) -> NDArray[np.float32] | None:
    """Colour, pattern and gradient shares, means, spreads and edge density, (D,) float32.

    Shares are square-rooted, so that their distances are Hellinger's.

    Args:
        photo: (3, h, w) uint8.
        inside: (h, w), the region.
        free: (h, w), the part of it that is not object.
    """
    places = drawn(inside, free)
    if places is None:
        return None
    pixels = photo.numpy()
    rows, columns = np.divmod(places, pixels.shape[2])
    colours = pixels[:, rows, columns]
    around = _around(pixels, rows, columns)
    down = around[4:7].sum(0) + around[5] - around[:3].sum(0) - around[1]
    across = around[2:5].sum(0) + around[3] - around[[0, 6, 7]].sum(0) - around[7]
    strength = np.hypot(down, across) / 8
    scaled = colours.astype(np.float32) / 255
    return np.concatenate(
        [
            np.sqrt(_shares((colours >> 6).T @ np.array([16, 4, 1]), 64)),
            np.sqrt(_shares(uniform_pattern(around, around[8]), 10)),
            np.sqrt(_oriented(down, across, strength)),
            scaled.mean(1),
            scaled.std(1),
            [float((strength > _EDGE).mean()), float(np.log1p(strength.mean()))],
        ]
    ).astype(np.float32)


def drawn(inside: NDArray[np.bool_], free: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """DRAWN flat indices of free pixels, or None where fewer than 64 are free.

    Each of 16 strips of rows (each row of a photo that is less high) is drawn from in proportion to
    its share of ``inside``, so that a sky does not grow when the object hides the meadow; a strip
    without a free pixel takes from the nearest that has one.
    """
    places = np.flatnonzero(free)
    if len(places) < _FEWEST:
        return None
    height, width = inside.shape
    count = min(_STRIPS, height)
    marks = np.linspace(0, height, count + 1).round().astype(np.int64) * width
    ends = np.searchsorted(places, marks)
    strips = np.add.reduceat(inside.ravel(), marks[:-1], dtype=np.int64)
    open_ = np.flatnonzero(np.diff(ends))
    wanted = (np.arange(DRAWN) + 0.5) / DRAWN * strips.sum()
    strip = np.searchsorted(strips.cumsum(), wanted)
    nearest = open_[np.abs(open_[None] - np.arange(count)[:, None]).argmin(1)]
    first, free_pixels = ends[:-1][nearest[strip]], np.diff(ends)[nearest[strip]]
    # The golden ratio's multiples are spread evenly over 0..1 in any stretch of the sequence.
    spread = (np.arange(DRAWN) * 0.6180339887498949) % 1.0
    chosen: NDArray[np.int64] = places[first + (spread * free_pixels).astype(np.int64)]
    return chosen


def uniform_pattern(around: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.int64]:
    """The rotation-invariant uniform local binary pattern of each pixel, 0..9.

    Source: Ojala, Pietikainen and Maenpaa, TPAMI 2002, LBP riu2 with P = 8: the number of
    neighbours at least as bright as the centre, 9 where they change more than twice on the circle.
    The neighbours are the pixels of the 3 x 3 square. ``skimage.feature.local_binary_pattern``
    interpolates those at the corners on a circle, which gives other codes (on noise to 36 % of the
    pixels), and computes every pixel, of which 4,096 are needed.

    Args:
        around: (>= 8, n) grey values, the neighbours in CIRCLE's order first.
        centre: (n,) grey values.
    """
    bright = around[:8] >= centre
    changes = (bright != np.roll(bright, 1, axis=0)).sum(0)
    return np.where(changes <= 2, bright.sum(0), 9)


def _around(
    pixels: NDArray[np.uint8], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Grey values (9, n) float32 of each place's eight neighbours and itself."""
    width = pixels.shape[2]
    grey = np.pad(pixels.sum(0, dtype=np.int16), 1, mode="edge").ravel()
    place = (rows + 1) * (width + 2) + columns + 1
    offsets = [dy * (width + 2) + dx for dy, dx in (*CIRCLE, (0, 0))]
    around: NDArray[np.float32] = grey[place + np.array(offsets)[:, None]].astype(np.float32) / 3
    return around


def _shares(bins: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The share of each of ``count`` bins."""
    return np.bincount(bins, minlength=count) / len(bins)


def _oriented(
    down: NDArray[np.float32], across: NDArray[np.float32], strength: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The share of gradient strength along each of 8 orientations; equal where all is flat."""
    angle = np.arctan2(down, across) / np.pi
    bins = np.floor((angle % 1.0) * _ORIENTATIONS).astype(np.int64) % _ORIENTATIONS
    total = np.bincount(bins, strength, minlength=_ORIENTATIONS).astype(np.float64)
    whole = total.sum()
    return total / whole if whole > 0 else np.full(_ORIENTATIONS, 1 / _ORIENTATIONS)
