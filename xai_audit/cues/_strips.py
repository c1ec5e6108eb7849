"""Rectangles of the stored photo: its own frame's depth, coverage, resampling and blending."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import maximum_filter1d

from xai_audit.vision.geometry import covered, depths
from xai_audit.vision.remembered import remembered

if TYPE_CHECKING:
    from collections.abc import Sequence

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
# Elements of one matrix, or pixels of one resized photo; more would fill a small memory.
_MOST = 2**26
# Bytes of frames' depths that a process keeps: those of some thousand photos.
_KEPT = 2**20
# Fewer rows of pixels have no place for a frame and a photo behind it.
_FEWEST = 8


def check_size(rows: int, columns: int) -> None:
    """Refuse an array of ``rows`` x ``columns`` that a photo of 1 x 4000 px would need.

    Raises:
        ValueError: it has more than 2^26 elements.
    """
    if rows * columns > _MOST:
        raise ValueError(f"the photo is too narrow: {rows} x {columns} elements, at most {_MOST}")


def scaled(canvas: Canvas, share: float) -> tuple[float, float]:
    """``share`` of the stored photo's shorter side in canvas px along (rows, columns)."""
    height, width = canvas.photo.shape[1:]
    return depths((canvas.record.height, canvas.record.width), (height, width), share)


def overlap(side: int, start: float, stop: float) -> torch.Tensor:
    """The share (side,) float32 of each pixel that lies between ``start`` and ``stop`` px."""
    return torch.from_numpy(covered(side, [(start, stop)])[0]).float()


def resampling(
    target: int, cuts: Sequence[float], source: int, source_cuts: Sequence[float]
) -> torch.Tensor:
    """W (target, source) float32 that brings each piece of a line onto its counterpart.

    Piece k runs from ``cuts[k]`` to ``cuts[k + 1]`` px and takes its pixels from the same piece of
    the source alone, by a triangle as wide as the shrinkage: antialiased bilinear. A pixel that two
    pieces share belongs to the outer one. Rows that lie in no piece are 0.

    Args:
        target: length of the line in px.
        cuts: ends of its pieces, ascending, px.
        source: length of the source in px.
        source_cuts: ends of the source's pieces, as many.

    Raises:
        ValueError: W would be too large.
    """
    check_size(target, source)
    weights = torch.zeros(target, source, dtype=torch.float64)
    taken = torch.zeros(target, dtype=torch.bool)
    centre = torch.arange(target, dtype=torch.float64) + 0.5
    place = torch.arange(source, dtype=torch.float64) + 0.5
    pieces = range(len(cuts) - 1)
    for piece in sorted(pieces, key=lambda k: min(k, len(cuts) - 2 - k)):
        start, stop = cuts[piece : piece + 2]
        first, last = source_cuts[piece : piece + 2]
        rows = (overlap(target, start, stop) > 0) & ~taken
        if stop <= start or not rows.any():
            continue
        ratio = (last - first) / (stop - start)
        middle = first + (centre[rows] - start) * ratio
        triangle = 1 - (place - middle[:, None]).abs() / max(ratio, 1.0)
        weights[rows] = _normalised(triangle.clamp(min=0) * overlap(source, first, last), middle)
        taken |= rows
    return weights.float()


def resampled(photo: torch.Tensor, down: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    """``photo`` (3, h', w') by W (h, h') along rows and W (w, w') along columns, float32."""
    return down @ photo.float() @ across.T


def blended(photo: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """``photo`` (3, h, w) uint8 with ``share`` (h, w) of ``other``; unchanged where that is 0."""
    base = photo.float()
    return (base + (other - base) * share).round().clamp(0, 255).to(torch.uint8)


def _normalised(weights: torch.Tensor, middle: torch.Tensor) -> torch.Tensor:
    """Rows that sum to 1; the nearest pixel where a piece is too thin to weigh anything."""
    total = weights.sum(1, keepdim=True)
    nearest = torch.zeros_like(weights)
    column = middle.floor().long().clamp(0, weights.shape[1] - 1)
    nearest.scatter_(1, column[:, None], 1.0)
    return torch.where(total > 0, weights / total.clamp(min=1e-12), nearest)


def frame_depth(canvas: Canvas) -> float:
    """Depth of the frame as a share of the stored photo's shorter side; 0 without one.

    A soft vignette has no step, a wall of bricks or a lawn has them everywhere: neither is a frame.
    """
    if min(canvas.photo.shape[1:]) < _FEWEST:
        return 0.0
    return _frame_depth(canvas.photo, (canvas.record.height, canvas.record.width))


@remembered(_KEPT)
def _frame_depth(pixels: torch.Tensor, stored: tuple[int, int]) -> float:
    photo = pixels.to(torch.int16)
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
