"""Border and corners, defined once, equal what each reader's own formula gave, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xai_audit.cues import border
from xai_audit.cues._strips import overlap
from xai_audit.cues.corner import Corner
from xai_audit.report.overlay import _outline_border
from xai_audit.report.spotlight import _band
from xai_audit.schema import BANDS
from xai_audit.types import Canvas, ImageRecord, Preprocess
from xai_audit.vision.geometry import CORNERS, border_seen, covered, view
from xai_audit.vision.transform import bands

SIZES = [(97, 131), (131, 97), (96, 96), (1, 40), (3, 2), (253, 88)]
SHARES = [0.013, 0.08, 0.25, 0.37, 0.5, 0.61]


def share_of_pixel(pixel: int, start: float, stop: float) -> float:
    return min(max(min(pixel + 1, stop) - max(pixel, start), 0.0), 1.0)


def along(side: int, start: float, stop: float) -> np.ndarray:
    return np.array([share_of_pixel(pixel, start, stop) for pixel in range(side)])


def test_covered_is_the_share_of_each_pixel():
    intervals = [(0.0, 7.0), (2.3, 4.9), (2.3, 2.6), (-5.0, 0.4), (6.2, 99.0), (5.0, 3.0)]
    expected = [along(7, *interval) for interval in intervals]
    np.testing.assert_array_equal(covered(7, intervals), expected)
    for interval in intervals:
        found = overlap(7, *interval)
        assert found.dtype == torch.float32
        np.testing.assert_array_equal(found, np.float32(along(7, *interval)))


@pytest.mark.parametrize("photo", SIZES)
@pytest.mark.parametrize("share", SHARES)
def test_bands_of_the_view(photo, share):
    """A view as large as the photo: each pixel's own share of each band."""
    geometry = view(photo, Preprocess(resize=None, crop=photo))
    found = bands(geometry, share, share, photo)[0].numpy()
    depth = share * min(photo)
    inner, near, far = (
        [along(side, *interval(side)) for side in photo]
        for interval in (
            lambda side: (depth, side - depth),
            lambda _side: (0.0, depth),
            lambda side: (side - depth, side),
        )
    )
    ends = {False: near, True: far}
    expected = [1 - np.outer(*inner)]
    expected += [np.outer(ends[down][0], ends[across][1]) for down, across in CORNERS.values()]
    np.testing.assert_array_equal(found, np.float32(expected))
    assert tuple(f"corner_{name}" for name in CORNERS) == BANDS[1:]
    stored, left = photo[0] * photo[1], 1.0
    for side in photo:
        left *= max(side - 2 * depth, 0)
    assert border_seen(geometry, share) == pytest.approx(1.0 if stored > left else np.nan)


def canvas(photo: tuple[int, int], shape: tuple[int, int]) -> Canvas:
    record = ImageRecord("a/0.png", "a/0.png", "a", 0, *photo)
    return Canvas(record, torch.zeros(3, *shape, dtype=torch.uint8), None, Preprocess())


@pytest.mark.parametrize("photo", SIZES)
@pytest.mark.parametrize("shape", [(64, 91), (7, 5)])
@pytest.mark.parametrize("share", SHARES)
def test_cues_on_a_canvas_of_any_aspect(photo, shape, share):
    one = canvas(photo, shape)
    length = share * min(photo)
    depth = [length * side / stored for side, stored in zip(shape, photo, strict=True)]
    inner = [
        along(side, min(deep, side / 2), max(side - deep, side / 2))
        for side, deep in zip(shape, depth, strict=True)
    ]
    inside = np.outer(*map(np.float32, inner))
    np.testing.assert_array_equal(border._band(one, share), 1 - inside)
    for name in CORNERS:
        ends = [
            along(side, *((side - deep, side) if at_far else (0.0, deep)))
            for side, deep, at_far in zip(
                shape, depth, ("bottom" in name, "right" in name), strict=True
            )
        ]
        found = Corner(name="corner", corner=name, side=share).region(one)
        np.testing.assert_array_equal(found, np.outer(*map(np.float32, ends)))


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("share", SHARES)
def test_what_the_report_draws(shape, share):
    height, width = shape
    side = max(1, round(share * min(shape)))
    rows, columns = np.indices(shape)
    last_row, last_column = rows >= height - side, columns >= width - side
    expected = {"border": (rows < side) | last_row | (columns < side) | last_column}
    for name, (down, across) in CORNERS.items():
        expected[f"corner_{name}"] = (last_row if down else rows < side) & (
            last_column if across else columns < side
        )
    for cue, region in expected.items():
        np.testing.assert_array_equal(_band(cue, shape, share), region, err_msg=cue)
    drawn = np.full((*shape, 3), 128, np.uint8)
    _outline_border(drawn, share)
    inset = round(share * min(shape))
    edge = np.zeros(shape, bool)
    if 0 < 2 * inset < min(shape):
        edge[inset : height - inset, inset : width - inset] = True
        edge[inset + 1 : height - inset - 1, inset + 1 : width - inset - 1] = False
    np.testing.assert_array_equal((drawn != 128).any(2), edge)
