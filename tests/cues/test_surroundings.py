"""A property that an object can have too is read and changed outside the object alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.cues import property_canvases as made
from tests.cues.test_properties import cue
from tests.cues.test_sharpness import blurred
from xai_audit.cues._surroundings import around, surroundings
from xai_audit.cues.sharpness import _blurred

NAMES = ["colour", "brightness", "contrast", "sharpness"]
MASK = made.disc()


def donor():
    """A photo with another cast, brightness, contrast and sharpness."""
    pixels = blurred(made.textured(seed=4), 2).astype(float)
    changed = (pixels - 110) * 1.5 + 110
    return made.canvas((changed * (1.2, 1.0, 0.6)).round().clip(0, 255).astype(np.uint8), MASK)


@pytest.mark.parametrize("name", NAMES)
def test_the_object_keeps_its_own_to_the_bit(name):
    plugin, photo = cue(name), made.canvas(made.textured(), MASK)
    found = plugin.transplant(photo, donor())
    object_ = torch.from_numpy(MASK)
    assert torch.equal(found[:, object_], photo.photo[:, object_])
    assert not torch.equal(found[:, ~object_], photo.photo[:, ~object_])
    # Changed as a whole it does not.
    assert not torch.equal(plugin.changed(photo, donor())[:, object_], photo.photo[:, object_])


@pytest.mark.parametrize("name", NAMES)
def test_another_object_changes_nothing_outside_it(name):
    plugin, pixels = cue(name), made.textured()
    red = pixels.copy()
    red[MASK] = (255, 0, 0)
    photos = [made.canvas(one, MASK) for one in (pixels, red)]
    outside = surroundings(photos[0]) == 1
    one, other = (plugin.transplant(photo, donor())[:, outside] for photo in photos)
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["colour", "brightness", "contrast"])
def test_outside_it_is_the_whole_photo_s_formula_and_between_them_a_soft_rim(name):
    plugin, photo = cue(name), made.canvas(made.textured(), MASK)
    found = made.array(plugin.transplant(photo, donor()))
    changed, plain = made.array(plugin.changed(photo, donor())), made.array(photo.photo)
    share = surroundings(photo).numpy()[..., None]
    np.testing.assert_array_equal(found[share[..., 0] == 1], changed[share[..., 0] == 1])
    assert np.abs(found - (plain + (changed - plain) * share)).max() <= 0.5001
    assert {*np.unique(share).tolist()} >= {0, 1}
    assert ((share > 0) & (share < 1)).any()


def naive(pixels: np.ndarray, share: np.ndarray, sigma: float, at: tuple[int, int]) -> np.ndarray:
    """The blurred pixel (3,) as a weighted mean over its neighbours that have a share."""
    reach = int(np.ceil(3.5 * sigma))
    total, weight = np.zeros(3), 0.0
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            y = min(max(at[0] + dy, 0), share.shape[0] - 1)
            x = min(max(at[1] + dx, 0), share.shape[1] - 1)
            w = np.exp(-(dy**2 + dx**2) / (2 * sigma**2)) * share[y, x]
            total, weight = total + w * pixels[y, x], weight + w
    return total / weight


@pytest.mark.parametrize("at", [(60, 41), (23, 80), (24, 78), (0, 0), (119, 159)])
def test_a_blur_does_not_smear_the_object_into_its_surroundings(at):
    pixels, sigma = made.textured(), 2.5
    red = pixels.copy()
    red[MASK] = (255, 0, 0)
    share = around(made.canvas(pixels, MASK).object)
    one, other = (_blurred(made.canvas(p).photo, sigma, share) for p in (pixels, red))
    outside = share > 0
    assert torch.equal(one[:, outside], other[:, outside])
    assert share[at] > 0
    expected = naive(red.astype(float), share.double().numpy(), sigma, at)
    np.testing.assert_allclose(made.array(other)[at], expected, atol=0.51)


def test_the_level_is_that_of_the_surroundings():
    plugin, pixels = cue("sharpness"), made.textured(size=(240, 320))
    mask = made.disc((240, 320), 60)
    soft = np.where(mask[..., None], blurred(pixels, 2), pixels)
    level = plugin.level(made.canvas(soft, mask))
    assert level == pytest.approx(plugin.level(made.canvas(pixels, mask)), abs=0.1)
    hard = np.where(mask[..., None], pixels, blurred(pixels, 2))
    assert plugin.level(made.canvas(hard, mask)) == pytest.approx(level - 2, abs=0.3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mask", [None, np.ones_like(MASK)], ids=["no mask", "all object"])
def test_without_surroundings_the_whole_photo_is_changed_and_that_is_told(name, mask):
    plugin, photo = cue(name), made.canvas(made.textured(), mask)
    assert torch.equal(plugin.transplant(photo, donor()), plugin.changed(photo, donor()))
    assert plugin.includes_object(photo)
    assert not plugin.includes_object(made.canvas(made.textured(), MASK))


@pytest.mark.parametrize("name", ["jpeg_quality", "resolution", "aspect_ratio", "file"])
def test_a_fact_of_the_file_is_no_property_of_the_object(name):
    assert not hasattr(cue(name), "includes_object")
