"""Rectangles against a supersampled raster; label values against hand-made arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai_audit.errors import ConfigError, MaskProblem
from xai_audit.masks._coverage import ValueRule, rectangles, value_rule

STEPS = 8
HEIGHT, WIDTH = 5, 7


def supersampled(boxes):
    """The union's share of each pixel, counted on STEPS x STEPS points a pixel."""
    y = (np.arange(HEIGHT * STEPS) + 0.5) / STEPS
    x = (np.arange(WIDTH * STEPS) + 0.5) / STEPS
    inside = np.zeros((len(y), len(x)), dtype=bool)
    for x_min, y_min, x_max, y_max in boxes:
        inside |= ((y >= y_min) & (y < y_max))[:, None] & ((x >= x_min) & (x < x_max))
    return inside.reshape(HEIGHT, STEPS, WIDTH, STEPS).mean(axis=(1, 3))


def span(size):
    """Two different multiples of 1/STEPS, in order, some of them outside the photo."""
    point = st.integers(-STEPS, (size + 1) * STEPS)
    pair = st.lists(point, min_size=2, max_size=2, unique=True)
    return pair.map(lambda ends: [end / STEPS for end in sorted(ends)])


box = st.tuples(span(WIDTH), span(HEIGHT)).map(lambda s: (s[0][0], s[1][0], s[0][1], s[1][1]))


@settings(max_examples=150, deadline=None)
@given(st.lists(box, min_size=1, max_size=5))
def test_boxes_cover_what_a_supersampled_raster_covers(boxes):
    expected = supersampled(boxes)
    if np.rint(expected * 255).max() == 0:
        with pytest.raises(MaskProblem, match="no box lies in the photo of 7 x 5 px"):
            rectangles(np.array(boxes), HEIGHT, WIDTH)
        return
    covered = rectangles(np.array(boxes), HEIGHT, WIDTH)
    assert covered.dtype == np.uint8
    assert covered.shape == (2, HEIGHT, WIDTH)
    np.testing.assert_allclose(covered[0], expected * 255, atol=0.5 + 1e-9)
    np.testing.assert_array_equal(covered[0].astype(int) + covered[1], 255)


def test_two_halves_of_a_pixel_are_a_whole_one():
    halves = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0, 0, 0.5, 0.5]])
    np.testing.assert_array_equal(rectangles(halves, 1, 2)[0], [[255, 0]])


@pytest.mark.parametrize(
    "bad", [(2, 0, 2, 1), (3, 0, 2, 1), (0, 1, 1, 1), (0, 0, np.nan, 1), (0, 0, np.inf, 1)]
)
def test_box_without_an_inside_is_corrupt(bad):
    with pytest.raises(MaskProblem, match=r"box \(.*expected finite x_min < x_max") as caught:
        rectangles(np.array([(0, 0, 1, 1), bad], dtype=float), HEIGHT, WIDTH)
    assert caught.value.status == "corrupt"


def test_values_are_object_background_or_void(labels):
    covered = value_rule([255], [0], soft=False).coverage(labels)
    assert covered.dtype == np.uint8
    np.testing.assert_array_equal(covered[0], np.where(labels == 255, 255, 0))
    np.testing.assert_array_equal(covered[1], np.where(labels == 0, 255, 0))
    assert not covered[:, :, 4].any()


def test_background_null_is_everything_else(labels):
    covered = value_rule([255, 128], None, soft=False).coverage(labels)
    np.testing.assert_array_equal(covered[0], np.where(labels > 0, 255, 0))
    np.testing.assert_array_equal(covered[1], 255 - covered[0])


def test_soft_grey_is_coverage(labels):
    covered = value_rule([255], [0], soft=True).coverage(labels)
    np.testing.assert_array_equal(covered[0], labels)
    np.testing.assert_array_equal(covered[1], 255 - labels)


def test_empty_says_which_values_there_are(labels):
    with pytest.raises(MaskProblem, match=r"object value \[1\]; values found: 0, 128, 255$") as e:
        ValueRule((1,), (0,)).coverage(labels)
    assert e.value.status == "empty"
    with pytest.raises(MaskProblem, match="7, ...$"):
        ValueRule((99,), (0,)).coverage(np.arange(20).reshape(4, 5))


def test_soft_problems():
    rule = ValueRule((255,), (0,), soft=True)
    with pytest.raises(MaskProblem) as empty:
        rule.coverage(np.zeros((2, 2), dtype=np.uint8))
    assert empty.value.status == "empty"
    with pytest.raises(MaskProblem, match=r"0\.\.255; values found: 0, 300") as corrupt:
        rule.coverage(np.array([[0, 300]], dtype=np.uint16))
    assert corrupt.value.status == "corrupt"


@pytest.mark.parametrize("values", [[], "255", 255, [True], [1.0], [-1], ["1"]])
def test_object_must_be_a_list_of_values(values):
    with pytest.raises(ConfigError, match=r"masks\.object \| expected integers from 0"):
        value_rule(values, [0], soft=False)


def test_a_value_cannot_be_both():
    with pytest.raises(ConfigError, match=r"object and background.*got \[3\]"):
        value_rule([1, 3], [3, 4], soft=False)
