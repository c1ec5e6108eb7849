"""Two maps of a photo compared where both are known, and their masses there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata

from xai_audit.statistics.placements import rank_correlations

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A cell or region is compared where at least this share of it is seen.
_ENOUGH = 0.5
# Of a share of the relevance in a cell: smaller differences are rounding, and tied.
_DIGITS = 9


def on_view(maps: torch.Tensor, view: tuple[int, int]) -> torch.Tensor:
    """``maps`` (B, h, w) on every pixel of the view (H, W), bilinear as they are scored."""
    return F.interpolate(maps[:, None], view, mode="bilinear")[:, 0]


def resampled(maps: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """``maps`` (B, H, W) as heatmaps of (h, w) cells would have them, read at the cells' middle."""
    cells = F.interpolate(maps[:, None], grid, mode="bilinear")[:, 0]
    return on_view(cells, (maps.shape[1], maps.shape[2]))


def compared(
    before: torch.Tensor, after: torch.Tensor, seen: torch.Tensor, grid: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spearman's correlation (B,) of two maps of each photo, and their overlap (B,).

    The cells of ``grid`` are compared, each the mean of its pixels that are seen; one of which less
    than half is seen is left out. The overlap is the weighted Jaccard index (Ruzicka 1958) of the
    shares of the relevance, the sum of the smaller over the sum of the larger: the intersection
    over the union of two maps of 0 and 1 that are equally large. NaN where a map has no relevance;
    the correlation also where one is flat.

    Args:
        before: (B, H, W) relevance on the view.
        after: (B, H, W), carried back.
        seen: (H, W) bool, pixels that both show.
        grid: (h, w) of the heatmaps behind them.
    """
    share = F.adaptive_avg_pool2d(seen.float()[None, None], grid)[0, 0]
    inside = (share >= _ENOUGH).flatten()
    if not inside.any():
        return np.full(len(before), np.nan), np.full(len(before), np.nan)
    one, other = (_shares(maps, seen, share)[:, inside.cpu().numpy()] for maps in (before, after))
    one, other = (each / _positive(each.sum(1))[:, None] for each in (one, other))
    known = np.isfinite(one).all(1) & np.isfinite(other).all(1)
    correlation, overlap = (np.full(len(one), np.nan) for _ in range(2))
    one, other = one[known], other[known]
    ranks = (rankdata(np.round(each, _DIGITS), axis=1) for each in (one, other))
    correlation[known] = rank_correlations(*ranks)
    overlap[known] = np.minimum(one, other).sum(1) / np.maximum(one, other).sum(1)
    return correlation, overlap


def _shares(maps: torch.Tensor, seen: torch.Tensor, share: torch.Tensor) -> NDArray[np.float64]:
    """The mean (B, cells) of the seen pixels of each cell."""
    grid = (share.shape[0], share.shape[1])
    pooled = F.adaptive_avg_pool2d((maps * seen)[:, None], grid)[:, 0]
    found: NDArray[np.float64] = (
        (pooled / share.clamp(min=_ENOUGH)).flatten(1).double().cpu().numpy()
    )
    return found


def _positive(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(totals > 0, totals, np.nan)


def masses(maps: torch.Tensor, seen: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
    """The share (B, R) of the relevance that is seen which lies in each region.

    NaN where a map has no relevance, and for a region of which less than half is seen.

    Args:
        maps: (B, H, W) relevance on the view.
        seen: (H, W) bool.
        regions: (B, R, H, W) coverage of each pixel, NaN where undefined.
    """
    shown = (maps * seen).double()
    total = shown.sum((1, 2))
    inside = torch.einsum("bhw,brhw->br", shown, regions.double())
    share = inside / torch.where(total > 0, total, torch.nan)[:, None]
    area = regions.double().sum((2, 3))
    visible = (regions.double() * seen).sum((2, 3)) >= _ENOUGH * area
    return torch.where(visible, share.clamp(0, 1), torch.nan)
