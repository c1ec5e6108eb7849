"""How deep the frames of photos reach that were framed here."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cues.canvases import canvas, texture
from xai_audit.cues._strips import frame_depth
from xai_audit.cues.border import Border

SIZE = (180, 240)
BORDER = Border(name="border", width=0.08)


def inside(depth: float) -> np.ndarray:
    height, width = SIZE
    y, x = np.mgrid[:height, :width]
    return np.minimum.reduce([y, x, height - 1 - y, width - 1 - x]) >= round(depth * min(SIZE))


def framed(depth: float, frame: np.ndarray, photo: np.ndarray) -> np.ndarray:
    return np.where(inside(depth), photo, frame).astype(np.uint8)


def smooth(rng) -> np.ndarray:
    """Soft stains (3, h, w)."""
    coarse = rng.uniform(40, 160, (3, 6, 8))
    return coarse.repeat(30, 1).repeat(30, 2).clip(0, 255)


def flat(colour) -> np.ndarray:
    return np.broadcast_to(np.array(colour)[:, None, None], (3, *SIZE))


def checks() -> np.ndarray:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.broadcast_to((x // 5 + y // 5) % 2 * 200 + 30, (3, *SIZE))


@pytest.mark.parametrize("depth", [0.03, 0.06, 0.1, 0.15, 0.19])
@pytest.mark.parametrize("frame", [flat((230, 225, 220)), flat((60, 60, 190)), checks()])
def test_the_depth_of_a_frame(depth, frame):
    photo = framed(depth, frame, np.full((3, *SIZE), 100))
    # The step lies between two rows; a row of the 180 is 0.006.
    assert frame_depth(canvas(photo)) == pytest.approx(depth, abs=0.011)


def test_no_frame_no_depth():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    bricks = np.where((y % 14 < 2) | ((x + (y // 14 % 2) * 16) % 32 < 2), 190, 90)
    edge = np.minimum.reduce([y, x, SIZE[0] - 1 - y, SIZE[1] - 1 - x]) / 60
    for photo in (
        texture(rng, SIZE),
        rng.integers(0, 256, (3, *SIZE)),
        np.full((3, *SIZE), 7),
        np.broadcast_to(bricks, (3, *SIZE)),
        180 * np.broadcast_to(edge.clip(0, 1), (3, *SIZE)),  # a soft vignette
        framed(0.25, flat((250, 250, 250)), np.full((3, *SIZE), 90)),  # too deep for one
    ):
        assert frame_depth(canvas(np.asarray(photo, dtype=np.uint8))) == 0


@pytest.mark.parametrize("size", [(1, 1), (2, 90), (7, 7), (8, 8), (90, 3), (9, 400)])
@pytest.mark.parametrize("stored", [None, (4000, 10), (10, 4000)])
def test_a_photo_of_any_size_has_a_depth(size, stored):
    photo = np.random.default_rng(0).integers(0, 256, (3, *size)).astype(np.uint8)
    assert 0 <= frame_depth(canvas(photo, stored=stored)) <= 0.2


def test_a_rim_on_three_sides_is_no_frame():
    photo = framed(0.1, flat((240, 240, 240)), np.full((3, *SIZE), 90))
    photo[:, -18:, 18:-18] = 90
    assert frame_depth(canvas(photo)) == 0


def test_a_pair_is_edited_as_deep_as_its_deepest_frame():
    bare = canvas(np.full((3, *SIZE), 90, np.uint8))
    deep = canvas(framed(0.15, flat((240, 240, 240)), np.full((3, *SIZE), 90)))
    fitted = BORDER.fitted([bare, bare, deep])
    assert fitted.region(bare).mean() == pytest.approx((~inside(0.15)).mean(), abs=0.02)
    assert BORDER.region(bare).mean() == pytest.approx((~inside(0.08)).mean(), abs=0.02)


@pytest.mark.parametrize("depth", [0.05, 0.13])
def test_a_frame_is_replaced_whole_whatever_its_depth(depth):
    white, dark = np.full((3, *SIZE), 240, np.uint8), np.full((3, *SIZE), 90, np.uint8)
    photo = framed(depth, white, dark)
    bare = BORDER.transplant(canvas(photo), canvas(dark)).numpy()
    assert np.abs(bare.astype(int) - 90).max() <= 1
    assert BORDER.region(canvas(photo)).mean() >= (~inside(max(depth, 0.08))).mean() - 0.01
    put_on = BORDER.transplant(canvas(dark), canvas(photo)).numpy()
    assert (put_on == 240).all(0).mean() == pytest.approx((~inside(depth)).mean(), abs=0.03)
