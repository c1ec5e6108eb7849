from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.cues.canvases import canvas, texture
from xai_audit.cues._texture import CIRCLE, DRAWN, composition, describe, drawn, uniform_pattern

COLOURS, PATTERNS, ORIENTATIONS = slice(0, 64), slice(64, 74), slice(74, 82)
MEANS, SPREADS, EDGES = slice(82, 85), slice(85, 88), slice(88, 90)


def whole(photo):
    inside = np.ones(photo.shape[1:], bool)
    free = inside.copy()
    free[[0, -1]] = free[:, [0, -1]] = False
    return describe(torch.from_numpy(photo), inside, free)


def naive_pattern(grey, y, x):
    bits = [grey[y + dy, x + dx] >= grey[y, x] for dy, dx in CIRCLE]
    changes = sum(bits[k] != bits[k - 1] for k in range(8))
    return sum(bits) if changes <= 2 else 9


def test_uniform_patterns_are_those_of_a_slow_loop():
    grey = np.random.default_rng(0).integers(0, 6, (20, 30)).astype(np.float32)
    y, x = (v.ravel() for v in np.mgrid[1:19, 1:29])
    around = np.stack([grey[y + dy, x + dx] for dy, dx in CIRCLE])
    expected = [naive_pattern(grey, *place) for place in zip(y, x, strict=True)]
    assert uniform_pattern(around, grey[y, x]).tolist() == expected
    assert len(set(expected)) == 10


def test_shares_and_moments_are_those_of_a_slow_version():
    photo = texture(np.random.default_rng(1), (70, 90))
    inside = np.zeros((70, 90), bool)
    inside[5:60, 10:80] = True
    got = describe(torch.from_numpy(photo), inside, inside)
    grey = photo.astype(float).mean(0)
    colours, patterns, turned, edges = np.zeros(64), np.zeros(10), np.zeros(8), []
    places = [divmod(int(p), 90) for p in drawn(inside, inside)]
    for y, x in places:
        r, g, b = photo[:, y, x] // 64
        colours[r * 16 + g * 4 + b] += 1 / DRAWN
        patterns[naive_pattern((photo.sum(0) / 3).astype(np.float32), y, x)] += 1 / DRAWN
        near = grey[y - 1 : y + 2, x - 1 : x + 2]
        sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        across, down = (near * sobel).sum(), (near * sobel.T).sum()
        strength = math.hypot(across, down) / 8
        turned[int((math.atan2(down, across) / math.pi % 1) * 8) % 8] += strength
        edges.append(strength)
    pixels = np.array([photo[:, y, x] for y, x in places]) / 255
    np.testing.assert_allclose(got[COLOURS], np.sqrt(colours), atol=1e-5)
    np.testing.assert_allclose(got[PATTERNS], np.sqrt(patterns), atol=0.02)
    np.testing.assert_allclose(got[ORIENTATIONS], np.sqrt(turned / turned.sum()), atol=0.02)
    np.testing.assert_allclose(got[MEANS], pixels.mean(0), atol=1e-5)
    np.testing.assert_allclose(got[SPREADS], pixels.std(0), atol=1e-5)
    assert got[88] == pytest.approx(np.mean(np.array(edges) > 32), abs=1e-3)
    assert got[89] == pytest.approx(math.log1p(np.mean(edges)), abs=1e-4)


def test_stripes_have_one_orientation_and_flat_none():
    stripes = np.broadcast_to(60 * (np.arange(64) % 8 < 4), (3, 64, 64)).astype(np.uint8)
    across, down = whole(stripes), whole(stripes.swapaxes(1, 2).copy())
    assert across[ORIENTATIONS].argmax() == 0
    assert down[ORIENTATIONS].argmax() == 4
    flat = whole(np.full((3, 64, 64), 77, np.uint8))
    np.testing.assert_allclose(flat[ORIENTATIONS], math.sqrt(1 / 8))
    np.testing.assert_allclose(flat[EDGES], 0)


def test_as_many_pixels_from_each_height_whatever_is_hidden():
    inside = np.ones((64, 50), bool)
    free = inside.copy()
    # The object hides most of the lower half and all of rows 24 to 31.
    free[32:, 5:] = False
    free[24:32] = False
    rows = drawn(inside, free) // 50
    assert len(rows) == DRAWN
    counts = np.bincount(rows // 4, minlength=16)
    assert counts[[0, 1, 2, 3, 10, 15]].tolist() == [DRAWN // 16] * 6
    # What is hidden entirely is drawn from the nearest strips.
    assert counts[6] == counts[7] == 0
    assert counts[5] + counts[8] == 4 * DRAWN // 16


def test_pixels_are_drawn_evenly_within_a_strip():
    inside = np.ones((16, 4096), bool)
    columns = drawn(inside, inside) % 4096
    assert np.histogram(columns, 16)[0].std() < 0.1 * DRAWN / 16


def test_the_object_is_left_out_with_its_halo_and_the_outermost_pixels():
    photo = np.full((3, 100, 100), 40, np.uint8)
    object_ = np.zeros((100, 100), bool)
    object_[30:70, 30:70] = True
    # Object, 3 px of halo round it, and the photo's rim are another colour.
    photo[:, 27:73, 27:73] = 250
    photo[:, [0, -1]] = photo[:, :, [0, -1]] = 250
    got = composition(canvas(photo, object_), None)
    assert got[COLOURS].tolist() == [1.0] + [0.0] * 63
    np.testing.assert_allclose(got[SPREADS], 0, atol=1e-5)


def test_too_little_free_is_undefined():
    one = canvas(np.zeros((3, 40, 40)))
    region = torch.zeros(40, 40)
    region[5:12, 5:14] = 1
    assert composition(one, region) is None
    region[5:13, 5:14] = 1
    assert composition(one, region) is not None


@pytest.mark.parametrize("height", range(4, 18))
def test_a_photo_of_few_rows_is_drawn_from_row_by_row(height):
    inside = np.ones((height, 64), bool)
    rows = drawn(inside, inside) // 64
    assert {*rows.tolist()} == {*range(height)}
    assert np.isfinite(whole(texture(np.random.default_rng(0), (height, 64)))).all()
