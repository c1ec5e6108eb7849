"""Regions of the model's view and their pull-down onto a heatmap's grid.

The bands (border, corners) are rectangles of the photo as stored, so their coverage of the view is
an outer product of two interval overlaps, and so is its pull-down: exact, without making an image.
Object and background are masks that were resized and cropped as the photo was.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from xai_audit.vision.geometry import at_end, within

if TYPE_CHECKING:
    from xai_audit.vision.geometry import Geometry


def bands(
    geometry: Geometry, border: float, corner: float, grid: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each band pulled down (5, h, w), in BANDS' order, and its area (5,), a share of the view.

    Args:
        geometry: of the photo.
        border: width of the border band, as a share of the photo's shorter side.
        corner: side of the corner squares, as a share of the photo's shorter side.
        grid: (h, w) of the heatmap; (H, W) of the view gives the share of each pixel itself.
    """
    shorter = min(geometry.photo)
    band, square = border * shorter, corner * shorter
    down, area = [], []
    for axis, side in enumerate(geometry.photo):
        ends = [at_end(side, square, far=far) for far in (False, True)]
        parts = [(0.0, side), within(side, band), *ends]
        covered = torch.from_numpy(geometry.overlaps(axis, parts))
        down.append(covered @ _upsample(grid[axis], geometry.crop[axis]))
        area.append(covered.mean(1))
    return (
        _combined(torch.einsum("ah,bw->abhw", *down)).float(),
        _combined(torch.einsum("a,b->ab", *area)).float(),
    )


def _combined(product: torch.Tensor) -> torch.Tensor:
    """The five bands from rows x columns of (whole, inside, first, last)."""
    whole, inside, first, last = range(4)
    return torch.stack(
        [
            product[whole, whole] - product[inside, inside],
            product[first, first],
            product[first, last],
            product[last, first],
            product[last, last],
        ]
    )


def pull_down(coverage: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """The adjoint of bilinear upsampling: (..., H, W) -> (..., h, w), same dtype.

    sum(coverage * up(heatmap)) = sum(pull_down(coverage) * heatmap), so one mask is pulled down
    instead of upsampling every heatmap.
    """
    height, width = coverage.shape[-2:]
    up_y = _upsample(grid[0], height, coverage.dtype, coverage.device)
    up_x = _upsample(grid[1], width, coverage.dtype, coverage.device)
    return up_y.T @ coverage @ up_x


@lru_cache(maxsize=64)
def _upsample(
    small: int,
    large: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """U (large, small) with U @ v = ``F.interpolate`` of v, bilinear, half-pixel centres.

    Source: torch.nn.functional.interpolate with align_corners=False.
    """
    identity = torch.eye(small, dtype=torch.float64)[None]
    up = torch.nn.functional.interpolate(identity, size=large, mode="linear", align_corners=False)
    return up[0].T.to(device, dtype).contiguous()
