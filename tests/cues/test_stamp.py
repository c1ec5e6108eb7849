from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cues.canvases import canvas, texture
from xai_audit.cues._fill import grown
from xai_audit.cues.stamp import Stamp, scrambled
from xai_audit.errors import ConfigError


def stamp(**given):
    options = {"image": None, "where": "bottom_right", "size": 0.5, "opacity": 1.0, "text": "XAI"}
    return Stamp(name="stamp", **(options | given))


@pytest.fixture
def red(tmp_path):
    """A red bar of 20 x 40 px, its left half clear."""
    pixels = np.zeros((20, 40, 4), np.uint8)
    pixels[..., 0] = 250
    pixels[:, 20:, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "red.png")
    return str(tmp_path / "red.png")


ONE = canvas(np.zeros((3, 60, 80)), class_name="a", image_id="a/1.png")
OTHER = canvas(np.zeros((3, 60, 80)), class_name="b", image_id="b/1.png")
SAME = canvas(np.zeros((3, 60, 80)), class_name="a", image_id="a/2.png")


@pytest.mark.parametrize(
    ("where", "top", "left"),
    [
        ("top_left", 0, 0),
        ("top_right", 0, 50),
        ("bottom_left", 45, 0),
        ("bottom_right", 45, 50),
        ("centre", 22, 25),
        ([0.5, 0.5], 22, 25),
        ([1, 0.5], 45, 25),
    ],
)
def test_a_donor_of_another_class_puts_it_where_the_user_says(red, where, top, left):
    # Half of 60 px: 30 long, 15 high; the right half is opaque.
    got = stamp(image=red, where=where).transplant(ONE, OTHER)
    expected = torch.zeros(60, 80)
    expected[top : top + 15, left + 15 : left + 30] = 250
    columns = [c for c in range(80) if abs(c - left - 15) > 1]
    torch.testing.assert_close(got[0][:, columns].float(), expected[:, columns])
    assert not got[1:].any()


def test_opacity_is_linear_and_the_region_is_the_alpha(red):
    cue = stamp(image=red, opacity=0.4)
    got, region = cue.transplant(ONE, OTHER), cue.region(ONE)
    assert float(region.max()) == pytest.approx(0.4)
    assert int(got[0].max()) == 100
    torch.testing.assert_close(got[0].float(), (250 * region).round())


def test_a_squashed_canvas_squashes_the_stamp_too(red):
    # Stored twice as wide: the stamp is 60 x 30 px of the photo, half as wide on the canvas.
    squashed = canvas(np.zeros((3, 60, 80)), stored=(120, 320))
    region = stamp(image=red).region(squashed)
    assert region.any(1).sum() == 15
    assert region.any(0).sum() == pytest.approx(7.5, abs=1)


def test_a_donor_of_the_same_class_puts_its_scrambled_twin():
    photo = texture(np.random.default_rng(0), (60, 80))
    one = canvas(photo, class_name="a", image_id="a/1.png")
    cue = stamp(where="centre", text="MW", size=0.6)
    with_, without = cue.transplant(one, OTHER), cue.transplant(one, SAME)
    assert not torch.equal(with_, without)
    assert torch.equal(without, cue.transplant(one, SAME))
    again = canvas(photo, class_name="a", image_id="a/3.png")
    assert not torch.equal(without, cue.transplant(again, SAME))
    # Outside its box both leave the photo alone.
    rows, columns = cue.region(one).any(1), cue.region(one).any(0)
    outside = ~grown(rows[:, None] & columns[None], 2)
    assert torch.equal(without[:, outside], one.photo[:, outside])
    assert torch.equal(with_[:, outside], one.photo[:, outside])


@pytest.mark.parametrize("size", [(12, 30), (13, 31), (1, 9), (1, 1)])
def test_a_twin_has_the_same_pixels_in_another_order(size):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*size, 4), dtype=np.uint8)
    twin = scrambled(pixels, 3)
    assert sorted(map(tuple, twin.reshape(-1, 4))) == sorted(map(tuple, pixels.reshape(-1, 4)))
    if min(size) > 1:
        assert (twin != pixels).any(-1).mean() > 0.8
    assert np.array_equal(twin, scrambled(pixels, 3))


def test_text_is_white_with_a_dark_outline():
    grey = canvas(np.full((3, 60, 80), 128), class_name="a")
    got = stamp(text="Ab", size=1.0).transplant(grey, OTHER)
    assert int(got.max()) == 255
    assert int(got.min()) < 30
    assert (got == 128).float().mean() > 0.3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": "no/such.png"}, r"cannot read the stamp: stamp\.image=no/such\.png \| expected"),
        ({"text": None}, r"nothing to put on: stamp \| remedy: stamp\.image=FILE or stamp\.text"),
        ({"text": "  "}, "nothing to put on"),
        (
            {"where": "middle"},
            r"unknown place: stamp\.where \| expected one of top_left, .* middle",
        ),
        ({"where": [0.5, 1.5]}, r"unknown place: stamp\.where .* got \[0\.5, 1\.5\]"),
        ({"where": [0.5]}, "unknown place"),
        ({"where": ["a", "b"]}, "unknown place"),
        ({"where": None}, "unknown place"),
        ({"size": 0.0}, r"bad value: stamp\.size \| expected above 0, up to 1 \| got 0"),
        ({"opacity": 1.1}, r"bad value: stamp\.opacity"),
    ],
)
def test_what_cannot_be_put_on_is_told_before_anything_runs(given, message):
    with pytest.raises(ConfigError, match=message):
        stamp(**given)


def test_a_file_that_is_no_image_is_told(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(ConfigError, match="cannot read the stamp"):
        stamp(image=str(tmp_path / "broken.png"))


def test_contract(red):
    one = pickle.loads(pickle.dumps(stamp(image=red)))
    assert (one.name, one.way) == ("stamp", "added")
    assert one.descriptors(ONE) is None
    assert np.isnan(one.level(ONE))
    assert torch.equal(one.transplant(ONE, OTHER), stamp(image=red).transplant(ONE, OTHER))
