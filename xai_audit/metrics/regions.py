"""Regions of the model's view and their pull-down onto a heatmap's grid.

The bands (border, corners) are rectangles of the photo as stored, so their coverage of every
pixel of the view is a product of two interval overlaps: exact, and a function of the photo's
size alone. Object and background come as masks that went through the image's own geometry.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from xai_audit.geometry import Geometry


def band_coverage(geometry: Geometry, border: float, corner: float) -> torch.Tensor:
    """Share of each view pixel inside each band: (5, H, W) float32 in 0..1, BANDS' order.

    Args:
        geometry: of the photo.
        border: width of the border band, as a share of the photo's shorter side.
        corner: side of the corner squares, as a share of the photo's shorter side.
    """
    rows, columns = _axis(geometry, 0, border, corner), _axis(geometry, 1, border, corner)
    whole_y, inner_y, first_y, last_y = rows
    whole_x, inner_x, first_x, last_x = columns
    return torch.stack(
        [
            torch.outer(whole_y, whole_x) - torch.outer(inner_y, inner_x),
            torch.outer(first_y, first_x),
            torch.outer(first_y, last_x),
            torch.outer(last_y, first_x),
            torch.outer(last_y, last_x),
        ]
    ).float()


def _axis(geometry: Geometry, axis: int, border: float, corner: float) -> list[torch.Tensor]:
    """Coverage along one axis of: the photo, its inside, its first and its last corner."""
    side, shorter = geometry.photo[axis], min(geometry.photo)
    band, square = border * shorter, corner * shorter
    intervals = [(0.0, side), (band, side - band), (0.0, square), (side - square, side)]
    scale = geometry.resized[axis] / side
    offset = (geometry.top, geometry.left)[axis]
    left = torch.arange(geometry.crop[axis], dtype=torch.float64)
    return [
        (
            (left + 1).clamp(max=stop * scale - offset) - left.clamp(min=start * scale - offset)
        ).clamp(min=0)
        for start, stop in intervals
    ]


def band_seen(geometry: Geometry, border: float) -> float:
    """Share of the photo's border band that lies inside the model's view, 0..1."""
    height, width = geometry.photo
    band = border * min(geometry.photo)
    stored = height * width - max(height - 2 * band, 0) * max(width - 2 * band, 0)
    shrink = geometry.resized[0] * geometry.resized[1] / (height * width)
    return float(band_coverage(geometry, border, 0.0)[0].sum()) / (stored * shrink)


@lru_cache(maxsize=64)
def upsample_matrix(small: int, large: int) -> torch.Tensor:
    """U (large, small) float32 with U @ v = ``F.interpolate`` of v, bilinear, half-pixel centres.

    Source: torch.nn.functional.interpolate with align_corners=False.
    """
    identity = torch.eye(small, dtype=torch.float64)[None]
    up = torch.nn.functional.interpolate(identity, size=large, mode="linear", align_corners=False)[
        0
    ]
    return up.T.float().contiguous()


def pull_down(coverage: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """The adjoint of bilinear upsampling: (..., H, W) -> (..., h, w), same dtype.

    sum(coverage * up(heatmap)) = sum(pull_down(coverage) * heatmap), so a mask is pulled down
    once instead of every heatmap being pushed up.
    """
    height, width = coverage.shape[-2:]
    up_y = upsample_matrix(grid[0], height).to(coverage)
    up_x = upsample_matrix(grid[1], width).to(coverage)
    return up_y.T @ coverage @ up_x


class BandCache:
    """Pulled-down bands and their areas by photo size; photos of a dataset share few sizes.

    Args:
        border: width of the border band, share of the shorter side.
        corner: side of the corner squares, share of the shorter side.
        grid: (h, w) of the heatmaps.
    """

    def __init__(self, *, border: float, corner: float, grid: tuple[int, int]) -> None:
        self._border, self._corner, self._grid = border, corner, grid
        # Bounded: a grid of 224 px costs 1 MB an entry.
        self._look_up = lru_cache(maxsize=64)(self._make)

    def __call__(self, geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor]:
        """Pulled-down bands (5, h, w) and their areas (5,), shares of the view's pixels."""
        return self._look_up(geometry)

    def _make(self, geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor]:
        bands = band_coverage(geometry, self._border, self._corner)
        return pull_down(bands, self._grid), bands.mean(dim=(1, 2))
