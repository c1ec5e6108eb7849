from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from xai_audit.report.heat import css_gradient, paint, palette, sampling, upsampled
from xai_audit.types import Preprocess
from xai_audit.vision.geometry import view


def naive(heatmap: np.ndarray, y: float, x: float, crop: tuple[int, int]) -> float:
    """Bilinear with half-pixel centres and clamped edges at a point of the view, in float64."""
    cells = []
    for at, side, grid in ((y, crop[0], heatmap.shape[0]), (x, crop[1], heatmap.shape[1])):
        cell = min(max(at * grid / side - 0.5, 0.0), grid - 1.0)
        low = int(cell)
        cells.append((low, min(low + 1, grid - 1), cell - low))
    (y0, y1, fy), (x0, x1, fx) = cells
    top = heatmap[y0, x0] * (1 - fx) + heatmap[y0, x1] * fx
    bottom = heatmap[y1, x0] * (1 - fx) + heatmap[y1, x1] * fx
    return float(top * (1 - fy) + bottom * fy)


@pytest.mark.parametrize("photo", [(60, 90), (90, 60), (64, 64), (20, 200)])
@pytest.mark.parametrize("grid", [(1, 1), (3, 5), (7, 7)])
@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess(resize=48, crop=(40, 40)),
        Preprocess(resize=None, crop=(50, 30)),
        Preprocess(resize=(32, 48), crop=(32, 48)),
        Preprocess(resize=32, crop=(48, 48)),
    ],
)
def test_every_drawn_pixel_samples_its_own_point_of_the_view(photo, grid, preprocess):
    geometry = view(photo, preprocess)
    heatmap = np.random.default_rng(1).random(grid)
    drawn = (photo[0] * 2 // 3, photo[1] * 2 // 3)
    origin, unit = geometry.to_view(0, 0), geometry.to_view(1, 1)
    down, across = (
        sampling(
            drawn[side],
            (origin[side], unit[side]),
            photo=photo[side],
            crop=geometry.crop[side],
            grid=grid[side],
        )
        for side in (0, 1)
    )
    got = np.full(drawn, np.nan)
    got[down.seen, across.seen] = upsampled(heatmap.astype(np.float32), down, across)
    for i in range(0, drawn[0], 3):
        for j in range(0, drawn[1], 5):
            centre = (i + 0.5) * photo[0] / drawn[0], (j + 0.5) * photo[1] / drawn[1]
            y, x = geometry.to_view(*centre)
            if 0 <= y < geometry.crop[0] and 0 <= x < geometry.crop[1]:
                assert got[i, j] == pytest.approx(naive(heatmap, y, x, geometry.crop), abs=1e-5)
            else:
                assert np.isnan(got[i, j])


def test_upsampling_is_torchs_where_the_whole_view_is_drawn():
    torch = pytest.importorskip("torch")
    heatmap = np.random.default_rng(2).random((7, 5)).astype(np.float32)
    down, across = (
        sampling(56, (0.0, 1.0), photo=56, crop=56, grid=grid) for grid in heatmap.shape
    )
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(heatmap)[None, None], size=(56, 56), mode="bilinear"
    )[0, 0]
    np.testing.assert_allclose(upsampled(heatmap, down, across), expected, atol=1e-6)


def test_what_the_model_never_saw_is_dimmed_and_the_rest_is_left_alone():
    photo = Image.new("RGB", (100, 80), (200, 100, 50))
    painted = np.asarray(
        paint(photo, None, view((80, 100), Preprocess(resize=None, crop=(40, 60))))
    )
    assert (painted[20:60, 20:80] == (200, 100, 50)).all()
    outside = painted.astype(float)
    outside[20:60, 20:80] = 0
    assert outside.max() <= 0.4 * 200
    assert (painted[:20] == painted[0, 0]).all()


@pytest.mark.parametrize("heatmap", [np.zeros((3, 3)), np.full((3, 3), np.nan), -np.ones((2, 2))])
def test_no_positive_relevance_leaves_the_photo_as_it_is(heatmap):
    photo = Image.new("RGB", (40, 40), (10, 20, 30))
    whole = view((40, 40), Preprocess(resize=None, crop=(40, 40)))
    assert paint(photo, heatmap, whole).tobytes() == photo.tobytes()


def test_display_is_scaled_by_the_photos_own_maximum():
    photo = Image.new("RGB", (40, 40), (90, 90, 90))
    whole = view((40, 40), Preprocess(resize=None, crop=(40, 40)))
    heatmap = np.random.default_rng(0).random((4, 4))
    assert paint(photo, heatmap, whole).tobytes() == paint(photo, heatmap * 1e-3, whole).tobytes()


def test_a_view_too_small_to_draw_is_no_error():
    geometry = view((1000, 1000), Preprocess(resize=None, crop=(1, 1)))
    assert paint(Image.new("RGB", (10, 10)), np.ones((1, 1)), geometry).size == (10, 10)


def test_stronger_relevance_is_brighter_on_grey():
    photo = Image.new("RGB", (256, 4), (40, 40, 40))
    ramp = np.linspace(0, 1, 256)[None]
    painted = np.asarray(paint(photo, ramp, view((4, 256), Preprocess(resize=None, crop=(4, 256)))))
    luminance = painted[0] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luminance[20:]) > -1.5).all()
    assert luminance[-1] - luminance[0] > 100


def test_the_palette_is_plasma_and_brightens_evenly():
    colour, opacity = palette()
    # Its ends and its middle, as van der Walt and Smith published them, times 255.
    assert [tuple(colour[i]) for i in (0, 128, 255)] == [
        *((13, 8, 135), (204, 71, 120), (240, 249, 33)),
    ]
    luminance = colour @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luminance[::8]) > 0).all()
    assert (opacity[0], opacity[255]) == (0, 199)
    assert (np.diff(opacity.astype(int)) >= 0).all()


def test_the_legends_gradient_is_css():
    stops = re.findall(r"rgb\((\d+),(\d+),(\d+)\)", css_gradient())
    assert stops[0] == ("128", "128", "128")
    assert len(stops) == 9
