"""What all property cues have in common: the contract, odd photos, a donor like the photo."""

from __future__ import annotations

import inspect
import math
import pickle

import numpy as np
import pytest
import torch
import yaml

from tests import tiny
from tests.cues import property_canvases as made

NAMES = {
    "aspect_ratio": "both",
    "brightness": "both",
    "colour": "both",
    "contrast": "both",
    "file": "none",
    "jpeg_quality": "down",
    "resolution": "down",
    "sharpness": "down",
}
ODD = made.odd()


def cue(name: str):
    """The plugin as its YAML builds it."""
    node = yaml.safe_load((tiny.REPO / "conf" / "cue" / f"{name}.yaml").read_text("utf-8"))
    module, _, attribute = node.pop("_target_").rpartition(".")
    plugin = getattr(__import__(module, fromlist=[attribute]), attribute)
    assert all(
        parameter.default is inspect.Parameter.empty
        for parameter in inspect.signature(plugin).parameters.values()
    ), "a default lives in the YAML"
    return plugin(**node)


@pytest.mark.parametrize("name", NAMES)
def test_contract(name):
    plugin = pickle.loads(pickle.dumps(cue(name)))
    assert plugin.name == name
    assert plugin.way == NAMES[name]
    photo = made.canvas(made.textured())
    assert plugin.region(photo) is None
    assert math.isnan(plugin.level(photo)) == (plugin.way != "down")


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", NAMES)
def test_odd_photos_are_described_and_transplanted(name, kind):
    plugin, usual, odd = cue(name), made.canvas(made.textured(seed=3)), ODD[kind]
    found, expected = plugin.descriptors(odd), plugin.descriptors(usual)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    if plugin.way == "down":
        assert math.isfinite(plugin.level(odd))
    for one, other in ((odd, usual), (usual, odd), (odd, odd)):
        before = one.photo.clone(), other.photo.clone()
        result = plugin.transplant(one, other)
        assert result.dtype == torch.uint8
        assert result.shape[0] == 3
        assert min(result.shape) >= 1
        assert torch.equal(one.photo, before[0])
        assert torch.equal(other.photo, before[1])
        assert name == "aspect_ratio" or result.shape == one.photo.shape


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_with_its_own_cue_is_itself(name):
    plugin = cue(name)
    for photo in (made.canvas(made.textured()), made.canvas(made.textured(), made.disc())):
        result = plugin.transplant(photo, photo)
        if plugin.way == "both":
            assert (made.array(result) - made.array(photo.photo)).__abs__().max() <= 2
        else:
            assert torch.equal(result, photo.photo)


PROPERTIES = ["colour", "brightness", "contrast"]


@pytest.mark.parametrize("name", PROPERTIES)
def test_the_object_is_not_read(name):
    plugin, pixels, mask = cue(name), made.textured(), made.disc()
    changed = pixels.copy()
    changed[mask] = (200, 10, 150)
    plain, other = made.canvas(pixels, mask), made.canvas(changed, mask)
    np.testing.assert_array_equal(plugin.descriptors(plain), plugin.descriptors(other))
    assert torch.equal(plugin.transplant(plain, other), plugin.transplant(plain, plain))
    # Without the mask it is.
    assert not np.allclose(plugin.descriptors(made.canvas(changed)), plugin.descriptors(plain))
