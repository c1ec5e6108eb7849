"""The scores of a batch of heatmaps: region masses, rank accuracy, pointing, entropy, peak.

Relevance R is channel-pooled and >= 0. Whatever is undefined is NaN here and null in the table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F

from xai_audit.vision.transform import pull_down

# TorchRay's tolerance: a peak within 15 px of the object at 224 px is a hit.
POINTING_TOLERANCE = 15 / 224


@dataclass(frozen=True)
class Scores:
    """One row for each of N heatmaps, float64; NaN is undefined.

    Attributes:
        total: (N,) sum of the relevance upsampled to the view.
        mass: (N, R) share of it in each region.
        entropy: (N,) of the cells' shares, 0 (one cell) to 1 (flat).
        peak: (N, 2) y and x of the maximum in the view, 0..1.
        rank_accuracy: (N,) share of the object that ranks highest.
        pointing_hit: (N,) 0 or 1.
    """

    total: torch.Tensor
    mass: torch.Tensor
    entropy: torch.Tensor
    peak: torch.Tensor
    rank_accuracy: torch.Tensor
    pointing_hit: torch.Tensor


def score(
    relevance: torch.Tensor,
    pulled: torch.Tensor,
    objects: torch.Tensor | None,
    size: tuple[int, int],
) -> Scores:
    """Scores of ``relevance`` (N, h, w) float32 >= 0.

    Args:
        relevance: the heatmaps after the sign rule.
        pulled: (N, R, h, w) regions pulled down onto the grid; NaN where undefined.
        objects: (N, H, W) uint8 coverage of the object, all 0 where unknown; None without masks.
        size: (H, W) of the view.
    """
    share = relevance.double()
    weight = _cell_weight(relevance.shape[1:], size).to(share)
    total = (share * weight).sum(dim=(1, 2))
    # A map without relevance has no mass, no peak and no ranking.
    share = share / torch.where(total > 0, total, torch.nan)[:, None, None]
    peak = _peak(relevance)
    undefined = ~(total > 0) | ~total.isfinite()
    rank = hit = torch.full_like(total, torch.nan)
    if objects is not None:
        inside = objects >= 128
        up = F.interpolate(relevance[:, None].float(), size=size, mode="bilinear")[:, 0]
        rank = _rank_accuracy(up, inside).masked_fill(undefined, torch.nan)
        hit = _pointing_hit(peak, inside).masked_fill(undefined, torch.nan)
    return Scores(
        total=total,
        mass=torch.einsum("nrhw,nhw->nr", pulled.double(), share).clamp(0, 1),
        entropy=_entropy(share * weight),
        peak=peak.masked_fill(undefined[:, None], torch.nan),
        rank_accuracy=rank,
        pointing_hit=hit,
    )


@lru_cache(maxsize=8)
def _cell_weight(grid: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """The weight of each cell (h, w) in the sum of the upsampled map, float64."""
    return pull_down(torch.ones(size, dtype=torch.float64), (grid[0], grid[1]))


def _entropy(share: torch.Tensor) -> torch.Tensor:
    """Shannon entropy (N,) of cell shares (N, h, w), divided by log(cells)."""
    cells = share[0].numel()
    if cells == 1:
        return share.flatten(1).sum(1) * 0
    return -torch.xlogy(share, share).sum(dim=(1, 2)) / math.log(cells)


def _peak(relevance: torch.Tensor) -> torch.Tensor:
    """(N, 2) float64, the centre of the largest cell, as shares of the view's sides.

    Bilinear interpolation has its maximum at a cell's centre. Of the upsampled pixels, argmax would
    take the first of a plateau that reaches half a cell to the edge of the view.
    """
    height, width = relevance.shape[1:]
    cell = relevance.flatten(1).argmax(1)
    centre = torch.stack([cell // width, cell % width], dim=1).double() + 0.5
    return centre / torch.tensor([height, width]).to(centre)


def _pointing_hit(peak: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """1 where the peak lies within the tolerance of the object, NaN without an object.

    Source: Zhang et al. 2018, the pointing game; the tolerance is TorchRay's.
    """
    height, width = inside.shape[1:]
    near_y = (torch.arange(height).to(peak) + 0.5 - peak[:, :1] * height) ** 2
    near_x = (torch.arange(width).to(peak) + 0.5 - peak[:, 1:] * width) ** 2
    radius = POINTING_TOLERANCE * max(height, width)
    near = near_y[:, :, None] + near_x[:, None, :] <= radius**2
    hit = (near & inside).flatten(1).any(1).double()
    return hit.masked_fill(~inside.flatten(1).any(1), torch.nan)


def _rank_accuracy(up: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """|top-K of R inside the object| / K with K = |object|, NaN without an object.

    Pixels tied at the K-th value count by their expectation under a random order, so the zeros
    of a ReLU map neither gain nor lose.

    Source: Arras et al. 2022, relevance rank accuracy.
    """
    values, inside = up.flatten(1), inside.flatten(1)
    count = inside.sum(1)
    threshold = _kth_largest(values, count)[:, None]
    above, tied = values > threshold, values == threshold
    sure = (above & inside).sum(1)
    places = count - above.sum(1)
    lucky = (tied & inside).sum(1) / tied.sum(1)
    accuracy = (sure + places * lucky.double()) / count
    return accuracy.masked_fill(count == 0, torch.nan)


def _kth_largest(values: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """(N,) the count-th largest of each row of (N, P); the largest where count is 0."""
    place = count.clamp(min=1)
    if values.is_cuda:  # one sort of the batch; on a CPU a selection a row is three times faster
        return values.sort(dim=1, descending=True).values.gather(1, place[:, None] - 1)[:, 0]
    below = (values.shape[1] - place + 1).tolist()
    return torch.stack([row.kthvalue(k).values for row, k in zip(values, below, strict=True)])
