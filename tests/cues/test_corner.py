from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.cues.canvases import auroc, canvas, painted, shape, texture
from xai_audit.cues.corner import Corner
from xai_audit.errors import ConfigError
from xai_audit.schema import BANDS
from xai_audit.vision.geometry import Geometry
from xai_audit.vision.transform import bands

NAMES = [band.removeprefix("corner_") for band in BANDS[1:]]


def corner(name, side=0.25):
    return Corner(name=f"corner_{name}", corner=name, side=side)


@pytest.mark.parametrize("name", NAMES)
def test_region_is_the_square_that_the_scores_use(name):
    one = canvas(np.zeros((3, 60, 40)), stored=(90, 130))
    geometry = Geometry((90, 130), (60, 40), 0, 0, (60, 40))
    expected = bands(geometry, 0.1, 0.25, (60, 40))[0][BANDS.index(f"corner_{name}")]
    torch.testing.assert_close(corner(name).region(one), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_donors_square_is_resized_onto_its_own(name):
    rng = np.random.default_rng(0)
    one, other = canvas(texture(rng, (60, 90))), canvas(texture(rng, (120, 80)))
    rows, columns = (
        slice(-length, None) if far in name else slice(0, length)
        for far, length in (("bottom", 20), ("right", 20))
    )
    square = other.photo[:, rows, columns].float()[None]
    expected = torch.nn.functional.interpolate(
        square, size=15, mode="bilinear", antialias=True, align_corners=False
    )[0]
    got = corner(name).transplant(one, other)
    rows, columns = (
        slice(-15, None) if far in name else slice(0, 15) for far in ("bottom", "right")
    )
    torch.testing.assert_close(got[:, rows, columns].float(), expected, atol=0.51, rtol=0)
    outside = corner(name).region(one) == 0
    assert torch.equal(got[:, outside], one.photo[:, outside])
    assert int(outside.sum()) == 60 * 90 - 15 * 15


def test_own_corner_changes_nothing():
    one = canvas(texture(np.random.default_rng(1), (63, 91)))
    got = corner("bottom_right").transplant(one, one)
    assert (got.int() - one.photo.int()).abs().max() <= 1


def test_the_donors_object_is_not_carried_over():
    rng = np.random.default_rng(2)
    inside = shape((80, 80), "disc", radius=0.25, centre=(0.1, 0.1))
    photo, mask = painted(rng, (80, 80), inside, colour=(255, 0, 255))
    got = corner("top_left").transplant(canvas(np.zeros((3, 80, 80))), canvas(photo, mask))
    magenta = got[0].int() + got[2].int() - 2 * got[1].int()
    raw = photo[0].astype(int) + photo[2] - 2 * photo[1].astype(int)
    assert (raw[:20, :20] > 250).mean() > 0.5
    assert (magenta[:20, :20] > 250).float().mean() < 0.01


def test_descriptors_tell_marks_not_the_objects_that_reach_the_corner():
    cue, size = corner("top_left"), (96, 120)
    features, planted, labels = [], [], []
    for number in range(160):
        rng = np.random.default_rng(number)
        label = number % 2
        kind, radius = (("disc", 0.42), ("square", 0.36))[label]
        inside = shape(size, kind, radius=radius * rng.uniform(0.9, 1.1), centre=(0.45, 0.35))
        photo, mask = painted(rng, size, inside)
        features.append(cue.descriptors(canvas(photo, mask)))
        if label:
            photo[:, 3:6, 3:18] = 255
        planted.append(cue.descriptors(canvas(photo, mask)))
        labels.append(label)
    assert 0.4 <= auroc(np.array(features), labels) <= 0.6
    assert auroc(np.array(planted), labels) > 0.95


def test_all_object_is_undefined():
    one = canvas(np.zeros((3, 60, 60)), np.ones((60, 60), bool))
    assert corner("top_left").descriptors(one) is None


def test_an_unknown_corner_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown corner: c \| expected one of top_left, "):
        Corner(name="c", corner="left", side=0.25)
