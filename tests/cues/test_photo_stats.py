from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from tests.cues import property_canvases as made
from xai_audit.cues import _property as photo_stats


def test_background_is_what_is_surely_not_object():
    mask = made.disc()
    photo = made.canvas(made.textured(), mask)
    np.testing.assert_array_equal(photo_stats.background(photo), ~mask)
    # One pixel of 255 levels of doubt is still doubt.
    photo.object[0, 0] = 1
    assert not photo_stats.background(photo)[0, 0]
    assert photo_stats.background(made.canvas(made.textured())).all()


def test_too_little_background_means_the_whole_photo():
    mask = np.ones((120, 160), bool)
    mask[0, :60] = False
    assert photo_stats.background(made.canvas(made.textured(), mask)).all()
    mask[0, :] = False
    assert photo_stats.background(made.canvas(made.textured(), mask)).sum() == 160


def test_luminance_is_pil_grey_before_rounding():
    pixels = made.textured()
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=float)
    found = photo_stats.luminance(made.canvas(pixels).photo)
    assert found.dtype == np.float32
    assert np.abs(found - grey).max() < 0.51


def test_as_photo_rounds_and_clips():
    values = np.array([[[-3.0, 0.6, 254.4, 300.0]]], dtype=np.float32)
    assert photo_stats.as_photo(values).tolist() == [[[0, 1, 254, 255]]]
    assert photo_stats.as_photo(values).dtype == torch.uint8


def test_described_interpolates_between_fixed_knots():
    knots = (0.0, 1.0, 3.0)
    assert photo_stats.described(2.0, knots) == [2.0, 0.0, 0.5, 0.5]
    assert photo_stats.described(0.25, knots) == [0.25, 0.75, 0.25, 0.0]
    # Beyond the knots the last one holds, and the value stays within one span of them.
    assert photo_stats.described(99.0, knots) == [6.0, 0.0, 0.0, 1.0]
    assert photo_stats.described(-99.0, knots) == [-3.0, 1.0, 0.0, 0.0]
