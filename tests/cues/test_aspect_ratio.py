from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.cues import property_canvases as made
from xai_audit.cues.aspect_ratio import AspectRatio, _run, _shares

CUE = AspectRatio(name="aspect_ratio")


def barred(pixels: np.ndarray, share: float, colour: int = 0) -> np.ndarray:
    """Bars on top of and below the photo, each this share of the new height."""
    height = round(pixels.shape[0] * share / (1 - 2 * share))
    bar = np.full((height, *pixels.shape[1:]), colour, np.uint8)
    return np.concatenate([bar, pixels, bar])


def test_descriptors():
    found = CUE.descriptors(made.canvas(made.textured(), stored=(1000, 2000)))
    assert found[0] == pytest.approx(math.log(2))
    assert found[1:9].sum() == pytest.approx(1)
    assert found[9:].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_bars_are_measured(colour):
    photo = barred(made.textured(), 0.125, colour)
    assert photo.shape[0] == 160
    noisy = photo + np.random.default_rng(0).integers(0, 4, photo.shape).astype(np.uint8)
    for pixels in (photo, noisy.clip(photo, 255)):
        assert _shares(made.canvas(pixels)) == (0.125, 0.125, 0, 0)
        assert _shares(made.canvas(pixels.swapaxes(0, 1))) == (0, 0, 0.125, 0.125)


def test_what_is_no_letterbox():
    pixels = made.textured()
    frame = pixels.copy()
    frame[:12] = frame[-12:] = frame[:, :12] = frame[:, -12:] = 30
    strip = pixels.copy()
    strip[-20:] = 30
    uneven = barred(pixels, 0.125)[10:]
    two_colours = barred(pixels, 0.125)
    two_colours[-20:] = 200
    gradient = barred(pixels, 0.125)
    gradient[:20] = np.arange(20, dtype=np.uint8)[:, None, None] * 12
    flat = np.full_like(pixels, 77)
    for photo in (pixels, frame, strip, uneven, two_colours, gradient, flat):
        assert _shares(made.canvas(photo)) == (0, 0, 0, 0)


def test_transplant_crops_the_centre_to_the_donor_s_aspect():
    pixels = made.textured()
    square = made.canvas(made.textured(seed=2)[:, :120])
    result = CUE.transplant(made.canvas(pixels), square)
    np.testing.assert_array_equal(made.array(result), pixels[:, 20:140])
    wide = made.canvas(made.textured(seed=2), stored=(100, 200))
    result = CUE.transplant(made.canvas(pixels), wide)
    np.testing.assert_array_equal(made.array(result), pixels[20:100])


def test_a_squashed_canvas_is_cropped_as_the_photo_would_be():
    pixels = made.textured()[:, :120]
    photo = made.canvas(pixels, stored=(480, 640))
    square = made.canvas(pixels, stored=(300, 300))
    # 480 of the photo's 640 px are 90 of the canvas's 120.
    assert CUE.transplant(photo, square).shape == (3, 120, 90)
    assert CUE.transplant(square, photo).shape == (3, 90, 120)


@pytest.mark.parametrize("turned", [False, True])
def test_bars_are_carried_over_and_taken_off(turned):
    pixels = made.textured()
    black, white = barred(pixels, 0.125), barred(pixels, 0.125, 255)
    if turned:
        pixels, black, white = (p.swapaxes(0, 1) for p in (pixels, black, white))
    plain = made.canvas(pixels)
    for one, other in ((plain, black), (plain, white), (made.canvas(black), white)):
        result = CUE.transplant(one, made.canvas(other))
        np.testing.assert_array_equal(made.array(result), other)
    result = CUE.transplant(made.canvas(black), plain)
    np.testing.assert_array_equal(made.array(result), pixels)


def test_own_bars_are_no_content_for_the_crop():
    pixels = made.textured()
    square = made.canvas(made.textured(seed=2)[:, :120])
    result = CUE.transplant(made.canvas(barred(pixels, 0.125)), square)
    np.testing.assert_array_equal(made.array(result), pixels[:, 20:140])


def test_a_bar_ends_where_it_has_drifted_from_its_edge():
    lines = np.arange(100, 160, 2)[None].repeat(3, 0)
    assert _run(lines, lines) == _run(lines[:, ::-1], lines[:, ::-1]) == 7
    assert _run(lines * 0, lines * 0 + 12) == 30
    assert _run(lines * 0, lines * 0 + 13) == 0


def test_a_photo_of_the_donor_s_aspect_is_returned_as_it_is():
    photo = made.canvas(barred(made.textured(), 0.125))
    assert torch.equal(CUE.transplant(photo, photo), photo.photo)
    like = made.canvas(made.textured(seed=4), stored=(240, 320))
    plain = made.canvas(made.textured())
    assert torch.equal(CUE.transplant(plain, like), plain.photo)
