"""A photo, its masks and its regions in the model's view, and regions on a heatmap's grid.

Photo and masks go through one and the same resize and crop. The bands (border, corners) are
rectangles of the photo as stored, so their coverage of the view is an outer product of two interval
overlaps, and so is its pull-down: exact, without making an image.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from xai_audit.vision.geometry import at_end, within

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.types import Preprocess
    from xai_audit.vision.geometry import Geometry

_T = TypeVar("_T", bound=torch.Tensor)


class Coverage(tv_tensors.TVTensor):  # type: ignore[misc]  # torchvision is untyped
    """Soft masks (C, H, W) uint8; 255: the pixel is covered entirely.

    Torchvision's own ``Mask`` is resized by nearest neighbour, which moves edges by up to half a
    pixel; coverage is averaged as the photo is, so that an edge stays where it is and soft.
    """

    def __new__(cls, data: torch.Tensor) -> Coverage:
        """``data`` seen as coverage, not copied."""
        return data.as_subclass(cls)


def to_view(image: _T, geometry: Geometry, preprocess: Preprocess) -> _T:
    """``image`` (C, h, w) uint8, a tv_tensors.Image or Coverage, as the view (C, H, W) uint8.

    The image may be a smaller decoding of the photo: it is resized to what the photo would be.
    Where the crop reaches over the photo's edge the view is 0. Equals torchvision's ``Resize`` and
    ``CenterCrop`` bit for bit on a photo decoded at full size.
    """
    whole = resized(image, geometry, preprocess)
    view: _T = functional.crop(whole, geometry.top, geometry.left, *geometry.crop)
    return view


def resized(image: _T, geometry: Geometry, preprocess: Preprocess) -> _T:
    """``image`` (C, h, w) as large as the model's resize makes the photo, not yet cropped."""
    whole: _T = functional.resize(
        image,
        list(geometry.resized),
        interpolation=InterpolationMode(preprocess.interpolation),
        antialias=preprocess.antialias,
    )
    return whole


def joint(
    photo: NDArray[np.uint8] | None,
    coverage: NDArray[np.uint8] | None,
    geometry: Geometry,
    preprocess: Preprocess,
) -> tuple[tv_tensors.Image | None, Coverage | None]:
    """(view of the photo (3, H, W), view of its coverage (C, H, W)), uint8, by one geometry.

    Args:
        photo: (h, w, 3) as :func:`xai_audit.vision.decode.decode` gives it, or None.
        coverage: (C, h, w) as a MaskSource gives it, or None; its own size may differ from the
            photo's, as where the photo was decoded at a fraction.
        geometry: where the stored photo lands.
        preprocess: interpolation and antialiasing of the photo.
    """
    image = None if photo is None else tv_tensors.Image(torch.from_numpy(photo).permute(2, 0, 1))
    masks = None if coverage is None else Coverage(torch.from_numpy(coverage))
    return (
        None if image is None else to_view(image, geometry, preprocess),
        None if masks is None else to_view(masks, geometry, preprocess),
    )


def _resize_coverage(coverage: Coverage, size: list[int], **_: Any) -> Coverage:  # noqa: ANN401
    """Coverage averaged over each new pixel, whatever the interpolation of the photo."""
    plain = coverage.as_subclass(torch.Tensor)
    bilinear = InterpolationMode.BILINEAR
    return Coverage(functional.resize_image(plain, size, interpolation=bilinear, antialias=True))


def _crop_coverage(coverage: Coverage, top: int, left: int, height: int, width: int) -> Coverage:
    """The crop; outside the photo nothing is covered."""
    plain = coverage.as_subclass(torch.Tensor)
    return Coverage(functional.crop_image(plain, top, left, height, width))


functional.register_kernel(functional.resize, Coverage)(_resize_coverage)
functional.register_kernel(functional.crop, Coverage)(_crop_coverage)


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
