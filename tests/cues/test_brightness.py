from __future__ import annotations

import math

import numpy as np
import pytest

from tests.cues import property_canvases as made
from xai_audit.cues._property import LUMA
from xai_audit.cues.brightness import Brightness, _gain

CUE = Brightness(name="brightness")


def dimmed(pixels: np.ndarray, gain: float) -> np.ndarray:
    return (pixels * gain).round().clip(0, 255).astype(np.uint8)


def test_descriptor_is_the_log_of_the_mean_luma_of_the_background():
    pixels, mask = made.textured(), made.disc()
    expected = math.log((pixels @ LUMA)[~mask].mean() / 128)
    assert CUE.descriptors(made.canvas(pixels, mask))[0] == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("gain", [0.5, 0.8, 1.4])
def test_a_planted_gain_is_carried_over(gain):
    pixels = made.textured()
    result = CUE.transplant(made.canvas(pixels), made.canvas(dimmed(pixels, gain)))
    assert np.abs(made.array(result) - dimmed(pixels, gain)).max() <= 1


def test_what_clips_is_made_up_for():
    pixels = np.where(made.textured()[..., :1] > 110, 220, 60).astype(np.uint8).repeat(3, -1)
    donor = made.canvas(np.full_like(pixels, 190))
    result = made.array(CUE.transplant(made.canvas(pixels), donor))
    assert (result == 255).mean() > 0.3
    assert (result @ LUMA).mean() == pytest.approx(190, abs=1)


def test_gain_against_its_closed_form_and_its_bounds():
    grey = np.eye(256)[100]
    assert _gain(grey, 150) == pytest.approx(1.5, rel=1e-5)
    assert _gain(grey, 1) == pytest.approx(1 / 3, rel=1e-5)
    assert _gain(np.eye(256)[0], 90) == pytest.approx(3, rel=1e-5)
    assert _gain(np.eye(256)[0], 0) == 1
