"""Stamps pasted by hand: where they lie, and when a verdict agrees with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.bench import stamps
from tests.bench.stamp_looks import STAMPS, Stamp
from tests.bench.stamps import Effect

pytestmark = pytest.mark.slow  # of the benches, not of the package


def _square(where: tuple[float, float], size: float, opacity: float) -> Stamp:
    return Stamp(
        "square", lambda: Image.new("RGBA", (8, 8), (200, 0, 0, 255)), where, size, opacity
    )


def test_there_are_twenty_of_several_sizes_places_and_opacities():
    assert len({stamp.name for stamp in STAMPS}) == 20
    assert len({stamp.where for stamp in STAMPS}) >= 6
    assert {stamp.opacity < 1 for stamp in STAMPS} == {True, False}
    assert max(stamp.size for stamp in STAMPS) >= 10 * min(stamp.size for stamp in STAMPS)
    images = {stamp.look().tobytes() for stamp in STAMPS}
    assert len(images) > 12


@pytest.mark.parametrize(
    ("where", "top", "left"), [((0, 0), 0, 0), ((1, 1), 20, 50), ((0.5, 0.5), 10, 25)]
)
def test_a_stamp_is_pasted_in_its_place_by_its_opacity(where, top, left):
    stamp = _square(where, 0.5, 0.5)
    photo = Image.new("RGB", (70, 40), (100, 100, 100))
    out = np.asarray(stamps.pasted(photo, stamp.look(), stamp)).astype(int)
    changed = (out != 100).any(2)
    expected = np.zeros((40, 70), bool)
    expected[top : top + 20, left : left + 20] = True
    assert np.array_equal(changed, expected)
    assert np.abs(out[expected] - (150, 50, 50)).max() <= 1


def test_the_interval_is_students():
    found = stamps.effect(np.array([0.0, 0.2, 0.4]))
    half = 4.30265 * 0.2 / 3**0.5  # t of two degrees of freedom
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), abs=1e-4)


@pytest.mark.parametrize(
    ("value", "low", "verdict", "right"),
    [
        (0.6, 0.5, "confirmed", True),
        (0.6, 0.5, "undetermined", False),
        (0.3, 0.1, "confirmed", True),
        (0.3, 0.1, "clear", True),
        (0.1, 0.0, "confirmed", False),
        (0.1, 0.0, "clear", True),
    ],
)
def test_a_verdict_agrees_except_between(value, low, verdict, right):
    assert stamps.agrees(Effect(value, low, 1.0), verdict) is right


def test_disagreements_are_listed_by_name():
    cell = {"effect_low": 0.3, "own": 0.1, "pasted_own": 0.3, "pasted_low": 0.5, "n_images": 8}
    table = pd.DataFrame(
        [
            cell | {"cell": "m a/bar", "verdict": "confirmed", "effect": 0.6, "pasted": 0.7,
                    "agrees": True},
            cell | {"cell": "m b/bar", "verdict": "clear", "effect": 0.0, "pasted": 0.6,
                    "agrees": False},
        ]
    )  # fmt: skip
    first, effects, own = stamps.rows(table)
    assert first.measured == "1 of 2: m b/bar clear (0.00 of 8 images, pasted 0.60)"
    assert not first.met
    assert effects.measured == "0.600 (0.350)"
    assert own.measured == "0.200 (0.200)"
