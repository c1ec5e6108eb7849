from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.cues.canvases import auroc, canvas, painted, shape, texture
from xai_audit.cues._fill import grown, halo
from xai_audit.cues.background import Background
from xai_audit.errors import CueProblem

PINK = (255, 0, 255)
BACKGROUND = Background(name="background")


def scene(seed, size=(96, 120), kind="disc", radius=0.25, **options):
    photo, mask = painted(
        np.random.default_rng(seed), size, shape(size, kind, radius=radius), colour=PINK
    )
    return canvas(photo, mask, **options)


def test_region_is_all_but_the_object_and_a_soft_rim():
    one = scene(0, kind="square")
    region, mask = BACKGROUND.region(one), one.object > 0
    assert (region[mask] == 0).all()
    # A square of 48 px, 2 px of rim, half a 3 x 3 average more.
    assert region.sum() == pytest.approx(96 * 120 - mask.sum() - (52**2 - 48**2), abs=60)
    assert 0 < region[48, :].unique().numel() <= 5
    assert BACKGROUND.region(canvas(np.zeros((3, 9, 9)))) is None


def test_the_object_stays_bit_for_bit_and_nothing_else_does():
    one, other = scene(1), scene(2, kind="star", radius=0.35)
    got = BACKGROUND.transplant(one, other)
    kept = BACKGROUND.region(one) == 0
    assert torch.equal(got[:, kept], one.photo[:, kept])
    far = (BACKGROUND.region(one) == 1) & ~grown(halo(other.object), 4)
    assert far.float().mean() > 0.3
    assert torch.equal(got[:, far], other.photo[:, far])


def test_the_donors_object_is_gone():
    one, other = scene(3, radius=0.1), scene(4, radius=0.35)
    got = BACKGROUND.transplant(one, other).float()
    pink = torch.tensor(PINK)[:, None, None]

    def pinks(photo):
        return ((photo - pink).abs().amax(0) < 40)[BACKGROUND.region(one) == 1].float().mean()

    assert pinks(other.photo.float()) > 0.2
    assert pinks(got) < 0.02


def test_another_shape_covers_the_canvas_and_keeps_its_aspect():
    ramp = np.broadcast_to(np.linspace(0, 240, 100)[None, :, None], (3, 100, 60))
    other = canvas(ramp, np.zeros((100, 60), bool))
    one = canvas(np.zeros((3, 60, 100)), np.zeros((60, 100), bool))
    got = BACKGROUND.transplant(one, other).float()
    assert got.shape == (3, 60, 100)
    # Scaled by 100 / 60, so a px down is 0.6 of the donor's; the middle stays in the middle.
    slope = (got[0, 55, 0] - got[0, 5, 0]) / 50
    assert slope == pytest.approx(240 / 99 * 0.6, rel=0.03)
    assert got[0, 29:31].mean() == pytest.approx(120, abs=1.5)


def test_a_photo_without_mask_is_refused_by_name():
    bare = canvas(np.zeros((3, 96, 120)), image_id="a/bare.png")
    with pytest.raises(CueProblem, match=r"a/0.png, donor a/bare.png .* without an object mask"):
        BACKGROUND.transplant(scene(0), bare)
    with pytest.raises(CueProblem):
        BACKGROUND.transplant(bare, scene(0))
    assert BACKGROUND.descriptors(bare) is None


def test_descriptors_tell_backgrounds_not_the_size_or_shape_of_objects():
    features, planted, labels = [], [], []
    for number in range(200):
        rng = np.random.default_rng(number)
        label = number % 2
        # Sky over meadow, so that what an object hides is not like what it leaves.
        kind, radius = (("star", 0.2), ("disc", 0.42))[label]
        inside = shape((96, 120), kind, radius=radius * rng.uniform(0.9, 1.1))
        photo = np.concatenate(
            [texture(rng, (rng.integers(30, 60), 120)), texture(rng, (96, 120))], axis=1
        )[:, :96]
        body = np.array([210, 60, 140])[:, None, None]
        seen = np.where(inside, body, photo).astype(np.uint8)
        features.append(BACKGROUND.descriptors(canvas(seen, inside)))
        stripes = 12 * label * (np.arange(120) % 4 < 2)
        striped = np.where(inside, body, (photo * 0.9 + stripes)).astype(np.uint8)
        planted.append(BACKGROUND.descriptors(canvas(striped, inside)))
        labels.append(label)
    assert 0.35 <= auroc(np.array(features), labels) <= 0.6
    assert auroc(np.array(planted), labels) > 0.95


def test_all_object_is_undefined():
    assert BACKGROUND.descriptors(canvas(np.zeros((3, 60, 60)), np.ones((60, 60), bool))) is None
