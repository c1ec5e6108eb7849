from __future__ import annotations

import math

import numpy as np
import pytest

from tests.cues import property_canvases as made
from xai_audit.cues._property import LUMA
from xai_audit.cues.colour import Colour, _light

CUE = Colour(name="colour")
GAINS = np.array([1.25, 1.0, 0.8])


def cast(pixels: np.ndarray, gains: np.ndarray = GAINS) -> np.ndarray:
    return (pixels * gains).round().clip(0, 255).astype(np.uint8)


def test_light_is_shades_of_grey():
    pixels, mask = made.textured(), made.disc()
    naive = [np.mean(pixels[~mask][:, c].astype(float) ** 12) ** (1 / 12) for c in range(3)]
    np.testing.assert_allclose(_light(made.canvas(pixels, mask)), naive, rtol=1e-9)


def test_descriptors_hold_the_logs_of_the_cast():
    pixels = made.textured()
    plain, tinted = CUE.descriptors(made.canvas(pixels)), CUE.descriptors(made.canvas(cast(pixels)))
    assert tinted[0] - plain[0] == pytest.approx(math.log(1.25), abs=0.005)
    assert tinted[9] - plain[9] == pytest.approx(math.log(0.8), abs=0.005)


def test_a_planted_cast_is_carried_over_at_the_same_brightness():
    pixels = made.textured()
    photo, donor = made.canvas(pixels), made.canvas(cast(pixels))
    result = made.array(CUE.transplant(photo, donor))
    # The planted one, scaled back to the photo's own luma.
    expected = pixels * GAINS
    expected *= (_light(photo) @ LUMA) / ((_light(photo) * GAINS) @ LUMA)
    assert np.abs(result - expected).max() <= 1.5
    assert (result @ LUMA).mean() == pytest.approx((pixels @ LUMA).mean(), abs=0.5)
    # And from another photo of the like.
    other = made.canvas(cast(made.textured(seed=5)))
    told = CUE.descriptors(made.canvas(made.array(CUE.transplant(photo, other)).astype(np.uint8)))
    np.testing.assert_allclose(told[[0, 9]], CUE.descriptors(other)[[0, 9]], atol=0.01)


def test_a_cast_that_clips_is_told_all_the_same():
    pixels = (made.textured() * 1.6).clip(0, 255).astype(np.uint8)
    plain, tinted = made.canvas(pixels), made.canvas(cast(pixels))
    assert (cast(pixels)[..., 0] == 255).mean() > 0.1
    moved = CUE.descriptors(tinted)[[0, 9]] - CUE.descriptors(plain)[[0, 9]]
    np.testing.assert_allclose(moved, np.log([1.25, 0.8]), atol=0.04)


def test_gains_are_bounded():
    pixels = made.textured()
    red = made.canvas(cast(pixels, np.array([1.0, 0.02, 0.02])))
    result = made.array(CUE.transplant(made.canvas(pixels), red))
    assert np.abs(result[..., 1] - pixels[..., 1] / 3).max() <= 0.5 + 1e-3
