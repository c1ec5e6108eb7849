from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from xai_audit.schema import BANDS
from xai_audit.types import Preprocess
from xai_audit.vision.geometry import Geometry, border_seen, view
from xai_audit.vision.transform import _upsample, bands, pull_down


def coverage(geometry: Geometry, border: float = 0.08, corner: float = 0.25) -> torch.Tensor:
    """Share of each view pixel inside each band: a grid of the view's own size pulls nothing."""
    return bands(geometry, border, corner, geometry.crop)[0]


def painted(size: tuple[int, int], border: float, corner: float) -> torch.Tensor:
    """The bands as masks of the photo itself, pixel by pixel; widths must be whole pixels."""
    height, width = size
    band, square = round(border * min(size)), round(corner * min(size))
    masks = torch.zeros(5, height, width)
    masks[0] = 1
    masks[0, band : height - band, band : width - band] = 0
    masks[1, :square, :square] = 1
    masks[2, :square, -square:] = 1
    masks[3, -square:, :square] = 1
    masks[4, -square:, -square:] = 1
    return masks


@pytest.mark.parametrize("size", [(100, 100), (200, 300), (300, 100)])
def test_bands_without_a_resize_are_the_painted_masks(size):
    got = coverage(view(size, Preprocess(resize=None, crop=size)))
    assert torch.allclose(got, painted(size, 0.08, 0.25), atol=1e-6)


@pytest.mark.parametrize("size", [(200, 300), (400, 250), (256, 256)])
@pytest.mark.parametrize("shape", [(128, (112, 112)), (256, (224, 224)), (64, (80, 80))])
def test_bands_follow_torchvisions_resize_and_crop(size, shape):
    """Painted at 8 times the size and shrunk by area, each band must land on the closed form."""
    geometry = view(size, Preprocess(resize=shape[0], crop=shape[1]))
    fine = tuple(8 * side for side in geometry.resized)
    # Where each fine pixel lies in the photo, px; a band is then a plain comparison.
    y = ((torch.arange(fine[0]) + 0.5) * size[0] / fine[0])[:, None]
    x = ((torch.arange(fine[1]) + 0.5) * size[1] / fine[1])[None]
    band, square = 0.08 * min(size), 0.25 * min(size)
    top, left = y < square, x < square
    bottom, right = y > size[0] - square, x > size[1] - square
    inner = (y > band) & (y < size[0] - band) & (x > band) & (x < size[1] - band)
    painted_fine = torch.stack([~inner, top & left, top & right, bottom & left, bottom & right])
    resized = F.avg_pool2d(painted_fine.float()[None], 8)[0]
    expected = v2.functional.center_crop(resized, list(shape[1]))
    got = coverage(geometry)
    assert (got - expected).abs().max() < 0.13  # one of 8 samples along an edge
    assert (got.mean(dim=(1, 2)) - expected.mean(dim=(1, 2))).abs().max() < 2e-3


@settings(deadline=None, max_examples=40)
@given(
    size=st.tuples(st.integers(2, 300), st.integers(2, 300)),
    grid=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    widths=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)),
)
def test_bands_pulled_down_along_each_axis_are_the_bands_pulled_down(size, grid, widths):
    geometry = view(size, Preprocess(resize=40, crop=(36, 36)))
    whole = bands(geometry, *widths, geometry.crop)[0].double()
    pulled, area = bands(geometry, *widths, grid)
    assert torch.allclose(pulled.double(), pull_down(whole, grid), atol=1e-4)
    assert torch.allclose(area.double(), whole.mean(dim=(1, 2)), atol=1e-6)


def test_padding_belongs_to_no_region():
    got = coverage(view((50, 50), Preprocess(resize=None, crop=(100, 100))), 0.1, 0.2)
    outside = torch.ones(100, 100, dtype=torch.bool)
    outside[25:75, 25:75] = False
    assert got[:, outside].abs().max() == 0
    assert float(got[0].sum()) == pytest.approx(50 * 50 - 40 * 40)


def test_a_band_of_half_the_photo_is_the_photo():
    got = coverage(view((40, 60), Preprocess(resize=None, crop=(40, 60))), 0.5, 0.5)
    assert float(got[0].mean()) == 1.0
    assert len(got) == len(BANDS)


def test_seen_share_of_the_border():
    whole = view((100, 100), Preprocess(resize=100, crop=(100, 100)))
    assert border_seen(whole, 0.08) == pytest.approx(1.0)
    cropped = view((100, 100), Preprocess(resize=100, crop=(90, 90)))
    # What is left of a band of 8 px after 5 px are cut on each side.
    assert border_seen(cropped, 0.08) == pytest.approx((90**2 - 84**2) / (100**2 - 84**2))
    assert border_seen(view((100, 100), Preprocess(resize=100, crop=(80, 80))), 0.08) == 0.0


@pytest.mark.parametrize(("small", "large"), [(7, 224), (13, 224), (1, 5), (5, 5), (9, 4)])
def test_upsample_matrix_is_interpolate(small, large):
    values = torch.rand(small)
    expected = F.interpolate(values[None, None], size=large, mode="linear", align_corners=False)
    assert torch.allclose(
        _upsample(small, large, torch.float32) @ values, expected[0, 0], atol=1e-6
    )


@settings(deadline=None, max_examples=30)
@given(
    grid=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    size=st.tuples(st.integers(3, 70), st.integers(3, 70)),
    seed=st.integers(0, 1000),
)
def test_mass_by_pull_down_equals_the_slow_sum(grid, size, seed):
    """The bound of the product: within 1e-5 of float64 upsample-and-sum, for any mask."""
    rng = np.random.default_rng(seed)
    heatmap = torch.from_numpy(rng.random(grid, dtype=np.float32))
    mask = torch.from_numpy((rng.random(size) < 0.3).astype(np.float32))
    up = F.interpolate(heatmap[None, None].double(), size=size, mode="bilinear")[0, 0]
    slow = float((up * mask).sum() / up.sum())
    fast = float(
        (pull_down(mask, grid) * heatmap).sum()
        / (pull_down(torch.ones(size), grid) * heatmap).sum()
    )
    assert fast == pytest.approx(slow, abs=1e-5)
