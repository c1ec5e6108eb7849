"""Maps are carried back to where their pixels came from; a strength of 0 changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xai_audit.augmentation import transformations
from xai_audit.augmentation.names import STRENGTHS, requested
from xai_audit.augmentation.transformations import (
    TRANSFORMATIONS,
    Geometry,
    augmented,
    carried_back,
    moved,
)
from xai_audit.config.nodes import AUGMENTATIONS

# Name, strength, share of the pixels that a square photo shows after it.
CASES = [
    ("flip", 1, 1.0), ("crop", 0.2, 0.64), ("crop", 0.1, 0.81), ("rotate", 20, 0.86),
    ("rotate", 90, 1.0), ("rotate", 180, 1.0), ("colour", 0.4, 1.0), ("blur", 2, 1.0),
    ("noise", 16, 1.0),
]  # fmt: skip


def smooth(height: int = 64, width: int = 64) -> torch.Tensor:
    """Photos (2, 3, H, W) uint8 without fine detail, so that interpolating loses little."""
    y, x = np.mgrid[0:height, 0:width] / 64
    planes = [np.sin(3 * y + 2 * x), np.cos(4 * x), np.sin(5 * y)]
    one = torch.from_numpy(np.stack(planes)).float()
    return (120 + 100 * torch.stack([one, one.flip(2)])).round().to(torch.uint8)


def draws(count: int = 2) -> list[np.random.Generator]:
    return [np.random.default_rng(n) for n in range(count)]


def test_names_are_given_their_strengths():
    assert TRANSFORMATIONS.keys() == STRENGTHS.keys() == {*AUGMENTATIONS}
    words = ["crop", "rotate:30", "flip", "crop:0.2", "crop:.1"]
    assert requested(words) == [("crop", 0.2), ("rotate", 30.0), ("flip", 1.0), ("crop", 0.1)]


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "flip"])
def test_strength_0_changes_nothing(name):
    photos = smooth()
    assert torch.equal(augmented(name, 0.0, photos, draws()), photos)
    maps = photos[:, 0].float()
    back, seen = carried_back(name, 0.0, maps)
    assert torch.equal(back, maps)
    assert seen.all()


def round_trip(name: str, strength: float, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Largest error of a map moved with the photo and carried back, and which pixels it is of."""
    back, seen = carried_back(name, strength, moved(name, strength, maps))
    assert seen.any()
    return (back - maps)[:, seen].abs().max(), seen


@pytest.mark.parametrize(("name", "strength", "share"), CASES)
@pytest.mark.parametrize("size", [(64, 64), (64, 48)])
def test_a_smooth_map_comes_back_as_it_was(name, strength, share, size):
    # Levels differ by 8 at most from one pixel to the next: a shift by one would show.
    error, seen = round_trip(name, strength, smooth(*size)[:, 0].float())
    assert error < 3
    if name in ("colour", "blur", "noise", "flip"):
        assert error == 0
    if size[0] == size[1] or name != "rotate":
        assert seen.float().mean().item() == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize("name", ["flip", "crop", "rotate"])
def test_a_wrong_inverse_shows(monkeypatch, name):
    right = TRANSFORMATIONS[name]
    maps, strength = smooth()[:, 0].float(), STRENGTHS[name]
    for wrong in (lambda maps, _: maps, lambda maps, s: right.back(maps, s).roll(2, 3)):
        monkeypatch.setitem(transformations.TRANSFORMATIONS, name, Geometry(right.forward, wrong))
        assert round_trip(name, strength, maps)[0] > 6


@pytest.mark.parametrize(("name", "strength", "_share"), CASES)
def test_photo_and_map_move_alike(name, strength, _share):
    photos = smooth()
    changed = augmented(name, strength, photos, draws())
    assert (changed.shape, changed.dtype) == (photos.shape, photos.dtype)
    assert not torch.equal(changed, photos)
    if isinstance(TRANSFORMATIONS[name], Geometry):
        maps = moved(name, strength, photos[:, 0].float())
        assert (changed[:, 0].float() - maps).abs().max() <= 1  # rounding


def test_what_is_not_seen_any_more_is_excluded():
    back, seen = carried_back("crop", 0.2, torch.ones(1, 10, 10))
    inside = torch.zeros(10, 10, dtype=torch.bool)
    inside[1:9, 1:9] = True
    assert torch.equal(seen, inside)
    assert not back[0][~inside].any()
    y, x = np.mgrid[:41, :41] - 20.0
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    within = np.maximum(abs(cos * y - sin * x), abs(sin * y + cos * x)) <= 20
    _, seen = carried_back("rotate", 30.0, torch.ones(1, 41, 41))
    assert (seen.numpy() != within).mean() < 0.03  # pixels on the edge


def test_a_quarter_turn_is_exact():
    photos = smooth()
    turned = augmented("rotate", 90.0, photos, draws())
    assert torch.equal(turned, torch.rot90(photos, 1, (2, 3)))
    back, seen = carried_back("rotate", 90.0, turned[:, 0].float())
    assert torch.equal(back, photos[:, 0].float())
    assert seen.all()


def test_corners_that_come_into_view_are_not_black():
    bright = torch.full((2, 3, 40, 40), 200, dtype=torch.uint8)
    assert augmented("rotate", 30.0, bright, draws()).min() >= 199
    thin = torch.full((2, 3, 90, 12), 200, dtype=torch.uint8)  # too thin to be mirrored
    assert augmented("rotate", 30.0, thin, draws()).min() >= 199


def test_noise_and_colours_are_drawn_by_photo():
    photos = smooth()[:1].repeat(2, 1, 1, 1)
    for name in ("noise", "colour"):
        strength = STRENGTHS[name]
        one = augmented(name, strength, photos, draws())
        assert not torch.equal(one[0], one[1])
        assert torch.equal(one[1:], augmented(name, strength, photos[:1], draws()[1:]))
    grey = photos.clamp(60, 190)
    noise = augmented("noise", 10.0, grey, draws()).float() - grey
    assert noise.std().item() == pytest.approx(10, rel=0.05)


def test_blur_is_that_of_a_view_of_224():
    dot = torch.zeros(1, 3, 112, 112, dtype=torch.uint8)
    dot[..., 56, 56] = 255
    wide, narrow = (augmented("blur", px, dot, draws(1))[0, 0].float() for px in (4.0, 2.0))
    # A Gaussian of 2 and of 1 px: the middle has 255 / (2 pi sigma^2).
    assert wide[56, 56] == pytest.approx(255 / (2 * np.pi * 4), abs=1)
    assert narrow[56, 56] == pytest.approx(255 / (2 * np.pi), abs=2)
