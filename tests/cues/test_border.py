from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch

from tests.cues.canvases import auroc, canvas, painted, shape, texture
from xai_audit.cues.border import Border
from xai_audit.vision.geometry import Geometry
from xai_audit.vision.transform import bands

BORDER = Border(name="border", width=0.1)
FRAME = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30))


def framed(photo, width):
    """The photo with a frame, each side another colour, bands mitred like nothing: top over all."""
    out = photo.copy()
    for (rows, columns), colour in zip(
        (
            (slice(None), slice(0, width)),
            (slice(None), slice(-width, None)),
            (slice(0, width), slice(None)),
            (slice(-width, None), slice(None)),
        ),
        FRAME,
        strict=True,
    ):
        out[:, rows, columns] = np.array(colour)[:, None, None]
    return out


def test_region_is_the_band_that_the_scores_use():
    # The canvas of a photo stored at 90 x 130, squashed to 60 x 40.
    one = canvas(np.zeros((3, 60, 40)), stored=(90, 130))
    geometry = Geometry((90, 130), (60, 40), 0, 0, (60, 40))
    expected = bands(geometry, 0.1, 0.25, (60, 40))[0][0] * (60 * 40)
    whole = bands(geometry, 0.1, 0.25, (60, 40))[1][0] * (60 * 40)
    region = BORDER.region(one)
    assert region.sum() == pytest.approx(float(whole), rel=1e-4)
    torch.testing.assert_close(region, expected / (60 * 40), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(60, 100), (100, 60), (80, 80)])
def test_a_frame_stays_a_frame_whatever_the_two_shapes(size):
    rng = np.random.default_rng(0)
    photo, other = texture(rng, size), texture(rng, (80, 120))
    width = round(0.1 * min(size))
    got = BORDER.transplant(canvas(photo), canvas(framed(other, 8))).numpy()
    wanted = framed(photo, width)
    band, faded = (
        framed(np.zeros_like(photo), width + behind) > 0
        for behind in (0, math.ceil(0.06 * min(size)))
    )
    np.testing.assert_allclose(got[band], wanted[band], atol=1)
    assert np.array_equal(got[~faded], photo[~faded])


def test_own_border_changes_nothing_and_the_inside_never():
    rng = np.random.default_rng(1)
    # A band of 6.3 px: its inner edge lies inside pixels.
    one, other = canvas(texture(rng, (63, 91))), canvas(texture(rng, (70, 64)))
    assert (BORDER.transplant(one, one).int() - one.photo.int()).abs().max() <= 1
    got = BORDER.transplant(one, other)
    inside = Border(name="border", width=0.16).region(one) == 0
    assert torch.equal(got[:, inside], one.photo[:, inside])
    assert not torch.equal(got, one.photo)


def test_behind_the_band_it_fades_out_without_a_seam():
    white, black = (canvas(np.full((3, 200, 200), level)) for level in (255, 0))
    line = BORDER.transplant(white, black)[0, 100, :100].int()
    assert (line[:20] == 0).all()
    assert (line[32:] == 255).all()
    # Linear over 12 px, .06 of the side, in 13 steps.
    assert line.diff().max() <= 2 * 255 / 13 + 1
    assert line[26].item() == pytest.approx(255 * 6.5 / 12, abs=255 / 13)


def test_the_donors_object_is_not_carried_over_and_its_frame_is_mended():
    rng = np.random.default_rng(2)
    photo, mask = painted(rng, (80, 100), shape((80, 100), "disc", radius=0.45))
    frame = np.array([20, 90, 200])[:, None, None]
    border = BORDER.region(canvas(photo)).numpy() > 0
    photo = np.where(border & ~mask, frame, photo).astype(np.uint8)
    mask = shape((80, 100), "disc", radius=0.45)
    photo = np.where(mask, np.array([250, 0, 120])[:, None, None], photo).astype(np.uint8)
    got = BORDER.transplant(canvas(texture(rng, (80, 100))), canvas(photo, mask))
    assert (mask & border).sum() > 50
    assert np.abs(got.numpy()[:, border].astype(int) - frame[:, :, 0]).max() <= 12


def test_the_objects_own_pixels_in_the_band_are_overwritten():
    rng = np.random.default_rng(3)
    photo, mask = painted(rng, (60, 60), shape((60, 60), "square", radius=0.6))
    got = BORDER.transplant(canvas(photo, mask), canvas(np.full((3, 60, 60), 7)))
    assert (got[:, 0] == 7).all()


def test_descriptors_tell_borders_not_the_objects_that_reach_them():
    features, labels, planted = [], [], []
    for number in range(160):
        rng = np.random.default_rng(number)
        label = number % 2
        # Squares reach the band along the edges, discs only in the middle.
        kind, radius = (("disc", 0.5), ("square", 0.42))[label]
        inside = shape((96, 120), kind, radius=radius * rng.uniform(0.9, 1.1))
        photo, mask = painted(rng, (96, 120), inside)
        features.append(BORDER.descriptors(canvas(photo, mask)))
        photo[:, :4] = (photo[:, :4] * 0.7 + 60 * label).astype(np.uint8)
        planted.append(BORDER.descriptors(canvas(photo, mask)))
        labels.append(label)
    assert 0.4 <= auroc(np.array(features), labels) <= 0.6
    assert auroc(np.array(planted), labels) > 0.95


def test_all_photos_give_as_many_numbers_and_all_object_none():
    rng = np.random.default_rng(5)
    sizes = {len(BORDER.descriptors(canvas(texture(rng, s)))) for s in ((60, 90), (90, 61))}
    assert len(sizes) == 1
    assert BORDER.descriptors(canvas(texture(rng, (60, 60)), np.ones((60, 60), bool))) is None


def test_contract():
    one = pickle.loads(pickle.dumps(BORDER))
    assert (one.name, one.way) == ("border", "both")
    assert np.isnan(one.level(canvas(np.zeros((3, 9, 9)))))
