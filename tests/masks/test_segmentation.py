"""COCO segmentations: polygons against a slow fill, run lengths against pycocotools' encoder."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as reference

from xai_audit.masks._segmentation import union

HEIGHT, WIDTH = 40, 50
SQUARE = [[0, 0, 5, 0, 5, 5, 0, 5]]


def even_odd(points):
    """Whether each pixel's centre lies inside, by crossings to its right; and its distance."""
    inside = np.zeros((HEIGHT, WIDTH), dtype=bool)
    distance = np.full((HEIGHT, WIDTH), np.inf)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            y, x = row + 0.5, column + 0.5
            for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
                if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                    inside[row, column] ^= True
                length = (x2 - x1) ** 2 + (y2 - y1) ** 2
                t = np.clip(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length, 0, 1)
                away = np.hypot(x - x1 - t * (x2 - x1), y - y1 - t * (y2 - y1))
                distance[row, column] = min(distance[row, column], away)
    return inside, distance


@pytest.mark.parametrize(
    "points",
    [
        [(5, 5), (45, 8), (20, 35)],
        [(10, 3), (40, 10), (25, 15), (44, 36), (4, 30)],
        [(2.5, 20), (25, 1.5), (48.2, 20), (25, 38.7)],
    ],
)
def test_polygon_is_an_even_odd_fill_away_from_its_edges(points):
    covered = union([[[number for point in points for number in point]]], HEIGHT, WIDTH)
    inside, distance = even_odd(points)
    far = distance > 0.75
    assert far.mean() > 0.7
    np.testing.assert_array_equal(covered[far], inside[far])
    assert covered.dtype == np.bool_


@pytest.mark.parametrize(
    "points",
    [
        [(-20, 5), (20, 8), (-10, 35)],
        [(25, 20), (1e7, -3e6), (1e7, 3e6)],
        [(-1e9, -1e9), (1e9, -1e9), (10, 30)],
        # A comb whose teeth lie in the photo and whose back lies far outside.
        [(-500, 2), (40, 2), (40, 8), (-400, 8), (-400, 20), (40, 20), (40, 30), (-500, 30)],
    ],
)
def test_what_reaches_outside_the_photo_is_cut_off(points):
    covered = union([[[number for point in points for number in point]]], HEIGHT, WIDTH)
    inside, distance = even_odd(points)
    far = distance > 0.75
    assert 0 < inside[far].mean() < 1
    np.testing.assert_array_equal(covered[far], inside[far])


@pytest.mark.parametrize("away", [60, 1e9, 1e300])
def test_what_lies_wholly_outside_covers_nothing(away):
    for x, y in ((away, 0), (-away - 9, 0), (0, away), (0, -away - 9), (away, away)):
        square = [x, y, x + 9, y, x + 9, y + 9, x, y + 9]
        assert not union([[square]], HEIGHT, WIDTH).any()


def test_an_enclosing_polygon_covers_everything():
    far = 1e300
    assert union([[[-far, -far, far, -far, far, far, -far, far]]], HEIGHT, WIDTH).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("compressed", [True, False])
def test_run_lengths(seed, compressed):
    rng = np.random.default_rng(seed)
    # From noise to blobs: short and long runs, so numbers of one and of several characters.
    blocks = rng.random((HEIGHT // 2 ** min(seed, 3), WIDTH // 2 ** min(seed, 3) + 1)) > 0.6
    side = 2 ** min(seed, 3)
    wanted = np.kron(blocks, np.ones((side, side), dtype=bool))[:HEIGHT, :WIDTH]
    if compressed:
        counts = reference.encode(np.asfortranarray(wanted, dtype=np.uint8))["counts"].decode()
    else:
        flat = wanted.ravel(order="F").astype(int)
        edges = np.flatnonzero(np.diff(flat, prepend=0))
        counts = np.diff([0, *edges, flat.size]).tolist()
    covered = union([{"size": [HEIGHT, WIDTH], "counts": counts}], HEIGHT, WIDTH)
    np.testing.assert_array_equal(covered, wanted)


def run_lengths(counts, size=(HEIGHT, WIDTH)):
    return {"size": list(size), "counts": counts}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (None, "neither a segmentation nor a bbox"),
        ([], "neither a segmentation nor a bbox"),
        ([[1, 2, 3, 4, 5]], "list of pairs"),
        ([[1, 2, 3, 4, 5, "x"]], "list of pairs"),
        ([[1, 2, 3, 4, 5, float("nan")]], "list of pairs"),
        ([1, 2, 3, 4, 5, 6], "list of pairs"),
        ([[1, 2, 3, 4, 5, 10**400]], "too large"),
        (run_lengths([HEIGHT * WIDTH], (WIDTH, HEIGHT)), "for size"),
        (run_lengths([HEIGHT * WIDTH + 1]), "do not add up to the 2000 pixels"),
        (run_lengths([-5, HEIGHT * WIDTH + 5]), "do not add up"),
        (run_lengths([float(HEIGHT * WIDTH)]), "do not add up"),
        (run_lengths(None), "do not add up"),
        (run_lengths("11"), "do not add up"),
        (run_lengths("oooooooooooooooooooooo"), "malformed"),
        (run_lengths("1é"), "malformed"),
        (run_lengths("1o"), "end inside a number"),
    ],
)
def test_malformed_segmentation_says_what_is_wrong(bad, says):
    with pytest.raises((ValueError, OverflowError), match=says):
        union([SQUARE, bad], HEIGHT, WIDTH)


def test_degenerate_polygon_covers_nothing():
    covered = union([[[1, 1, 9, 9]], SQUARE], HEIGHT, WIDTH)
    assert covered[:5, :5].all()
    assert covered.sum() == 25
    assert not union([[[1, 1, 9, 9]]], HEIGHT, WIDTH).any()
    assert union([], HEIGHT, WIDTH).shape == (HEIGHT, WIDTH)
