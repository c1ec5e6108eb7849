from __future__ import annotations

import math

import numpy as np
import pytest

from tests.cues import property_canvases as made
from xai_audit.cues._property import LUMA
from xai_audit.cues.contrast import Contrast

CUE = Contrast(name="contrast")


def stretched(pixels: np.ndarray, gain: float) -> np.ndarray:
    centre = pixels.mean((0, 1))
    return (centre + (pixels - centre) * gain).round().clip(0, 255).astype(np.uint8)


def test_descriptor_is_the_log_of_spread_over_mean_of_the_background():
    pixels, mask = made.textured(), made.disc()
    light = (pixels @ LUMA)[~mask]
    expected = math.log(light.std() / light.mean())
    assert CUE.descriptors(made.canvas(pixels, mask))[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_a_planted_stretch_is_carried_over(gain):
    pixels = made.textured()
    result = CUE.transplant(made.canvas(pixels), made.canvas(stretched(pixels, gain)))
    assert np.abs(made.array(result) - stretched(pixels, gain)).max() <= 1


def test_brightness_and_cast_stay():
    pixels = (made.textured() * (1.2, 1.0, 0.6)).astype(np.uint8)
    result = CUE.transplant(made.canvas(pixels), made.canvas(stretched(pixels, 0.5)))
    np.testing.assert_allclose(made.array(result).mean((0, 1)), pixels.mean((0, 1)), atol=0.5)
    # A darker copy of a photo has the photo's contrast.
    dark = made.canvas((pixels * 0.5).round().astype(np.uint8))
    kept = made.array(CUE.transplant(made.canvas(pixels), dark))
    assert np.abs(kept - pixels).max() <= 1


def test_the_stretch_is_bounded():
    pixels = made.textured()
    flat = made.canvas(np.full_like(pixels, 110))
    result = made.array(CUE.transplant(made.canvas(pixels), flat))
    assert np.abs(result - stretched(pixels, 1 / 2.5)).max() <= 1
