"""The user's changes to an eval transform."""

from __future__ import annotations

import logging

import pytest

from xai_audit.errors import ConfigError
from xai_audit.models._preprocess import override
from xai_audit.types import Preprocess

BASE = Preprocess()


def test_nothing_given_keeps_the_base() -> None:
    nulls = dict.fromkeys(("resize", "crop", "mean", "std", "scale", "interpolation", "antialias"))
    assert override(BASE, nulls) == BASE
    assert override(BASE, {}) == BASE


def test_every_key_changes_its_field() -> None:
    changed = override(
        BASE,
        {
            "resize": [300, 200],
            "crop": 96,
            "mean": [0.5],
            "std": 0.25,
            "scale": 1,
            "interpolation": "Bicubic",
            "antialias": False,
        },
    )
    assert changed == Preprocess((300, 200), (96, 96), (0.5,), (0.25,), 1.0, "bicubic", False)
    assert isinstance(changed.scale, float)


def test_a_number_is_for_every_channel() -> None:
    assert override(BASE, {"mean": 0.5}).mean == (0.5, 0.5, 0.5)
    assert override(BASE, {"mean": 0.5}).std == BASE.std
    assert override(BASE, {"mean": [0.1, 0.2, 0.3, 0.4], "std": 1}).std == (1, 1, 1, 1)
    both = override(BASE, {"mean": 0.5, "std": 0.25})  # of how many, only the model knows
    assert (both.mean, both.std) == ((0.5,), (0.25,))


def test_two_sides_squash_and_crop_nothing() -> None:
    squashed = override(BASE, {"resize": [96, 128]})
    assert (squashed.resize, squashed.crop) == ((96, 128), (96, 128))
    assert override(BASE, {"resize": [96, 128], "crop": 64}).crop == (64, 64)
    assert override(BASE, {"resize": 96}).crop == BASE.crop


def test_crop_and_resize_take_one_side_or_two() -> None:
    assert override(BASE, {"crop": [128, 96]}).crop == (128, 96)
    assert override(BASE, {"resize": 128, "crop": 96}).resize == 128
    assert override(BASE, {"resize": False}).resize is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"crop": 0}, "model.preprocess.crop | expected a positive int or [height, width], px"),
        ({"crop": True}, "model.preprocess.crop"),
        ({"crop": [1, 2, 3]}, "got [1, 2, 3]"),
        ({"resize": -5}, "model.preprocess.resize"),
        ({"resize": 2.5}, "got 2.5"),
        ({"resize": "256"}, "got '256'"),
        ({"mean": [0.5, "x", 0.5]}, "model.preprocess.mean | expected a finite number | got 'x'"),
        ({"mean": []}, "expected one number a channel"),
        ({"mean": [float("nan")] * 3}, "expected a finite number"),
        ({"std": [0.2, 0.0, 0.2]}, "model.preprocess.std | expected a number over 0 | got 0.0"),
        ({"mean": [0.5]}, "one number a channel in both | got '1 and 3 of them'"),
        ({"scale": 0}, "model.preprocess.scale"),
        ({"interpolation": "lanczos"}, "expected one of nearest, bilinear, bicubic"),
        ({"antialias": 1}, "expected true or false"),
        ({"resise": 3}, "expected one of resize, crop, mean"),
    ],
)
def test_a_wrong_value_names_its_key(given: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        override(BASE, given)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_padding_is_allowed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert override(BASE, {"resize": 128}).resize == 128
    assert "preprocess.resize 128x128 is smaller than crop 224x224" in caplog.text
    caplog.clear()
    override(BASE, {"resize": 224})
    override(BASE, {"resize": False, "crop": 999})
    assert not caplog.text
