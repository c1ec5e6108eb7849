"""Heatmaps as shares of their relevance in the cells of one common grid, to be compared."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A strategy is a place, not a contour: no side of the grid has more cells than this.
MOST_CELLS = 16


def common_grid(counts: dict[tuple[int, int], int]) -> tuple[int, int]:
    """The most common (h, w), each side at most ``MOST_CELLS``; of equals the smallest.

    Args:
        counts: (h, w) -> heatmaps that have it.
    """
    height, width = min(counts, key=lambda grid: (-counts[grid], grid))
    return min(height, MOST_CELLS), min(width, MOST_CELLS)


def cell_shares(
    heatmap: NDArray[np.float16] | None, shape: tuple[int, int], grid: tuple[int, int]
) -> NDArray[np.float32] | None:
    """The shares (h, w) of a heatmap's relevance in the cells of ``grid``, sum 1.

    None without a heatmap, with a value that is not finite, or without relevance. The heatmap's
    scale cancels. A cell that lies across several of ``grid`` is split by area, so that no
    relevance is lost.

    All cells have equal weight, since maps are compared with maps here. For the relevance in a
    region of the view see :func:`~xai_audit.evidence.heatmaps.view_shares`, which weights each cell
    by its part of the upsampled view. The two differ by no more than a factor where the view's
    sides are multiples of the grid's; on a 13 x 13 grid over 224 x 224 px the weights differ by
    0.13 %.

    Args:
        heatmap: as stored, (h' * w').
        shape: (h', w').
        grid: (h, w).
    """
    if heatmap is None:
        return None
    relevance = np.asarray(heatmap, np.float64).reshape(shape)
    total = relevance.sum()
    if not np.isfinite(total) or total <= 0:
        return None
    down, across = (_overlap(old, new) for old, new in zip(shape, grid, strict=True))
    shared: NDArray[np.float32] = (down @ (relevance / total) @ across.T).astype(np.float32)
    return shared


@lru_cache(maxsize=64)
def _overlap(old: int, new: int) -> NDArray[np.float64]:
    """How much of each of ``old`` cells lies in each of ``new``: (new, old), columns sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    first = np.arange(old)
    inside = np.minimum(first + 1, edges[1:, None]) - np.maximum(first, edges[:-1, None])
    share: NDArray[np.float64] = inside.clip(min=0)
    return share
