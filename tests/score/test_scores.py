from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from xai_audit.score.scores import score
from xai_audit.vision.transform import pull_down

# Nine pixels a cell: the centre of a cell is the centre of a pixel.
SIZE = (63, 63)


def scored(relevance: torch.Tensor, masks: torch.Tensor, objects: torch.Tensor | None):
    grid = tuple(relevance.shape[1:])
    return score(relevance, pull_down(masks, grid), objects, SIZE)


def slow_rank_accuracy(up: np.ndarray, inside: np.ndarray) -> float:
    """Expectation over random tie-breaking, by counting."""
    values, inside = up.ravel(), inside.ravel()
    count = int(inside.sum())
    threshold = np.sort(values)[::-1][count - 1]
    sure = float((inside & (values > threshold)).sum())
    places = count - int((values > threshold).sum())
    return (sure + places * inside[values == threshold].mean()) / count


def test_everything_against_slow_float64():
    generator = torch.Generator().manual_seed(0)
    relevance = torch.rand(5, 7, 7, generator=generator)
    relevance[1] = (relevance[1] - 0.7).clamp(min=0)  # many ties at zero
    objects = torch.zeros(5, *SIZE, dtype=torch.uint8)
    for row in range(5):
        objects[row, 5 + 3 * row : 30 + 4 * row, 10:45] = 255
    masks = (objects[:, None] > 0).float()
    got = scored(relevance, masks, objects)
    up = F.interpolate(relevance[:, None].double(), size=SIZE, mode="bilinear")[:, 0]
    inside = objects > 0
    for row in range(5):
        total = float(up[row].sum())
        assert float(got.total[row]) == pytest.approx(total, rel=1e-6)
        assert float(got.mass[row, 0]) == pytest.approx(
            float(up[row][inside[row]].sum()) / total, abs=1e-5
        )
        fine = F.interpolate(relevance[row][None, None], size=SIZE, mode="bilinear")[0, 0].numpy()
        assert float(got.rank_accuracy[row]) == pytest.approx(
            slow_rank_accuracy(fine, inside[row].numpy())
        )
        largest = np.argwhere(fine >= fine.max() * (1 - 1e-6)) + 0.5  # several at an edge
        assert np.abs(largest - got.peak[row].numpy() * 63).max(axis=1).min() < 1e-6


def test_entropy_of_one_cell_and_of_a_flat_map():
    one = torch.zeros(1, 7, 7)
    one[0, 3, 3] = 2.0
    flat = torch.full((1, 7, 7), 0.25)
    masks = torch.ones(1, 1, *SIZE)
    assert float(scored(one, masks, None).entropy) == pytest.approx(0.0, abs=1e-12)
    # A flat map is flat in the view; the cells at the edge stand for more pixels.
    assert 0.98 < float(scored(flat, masks, None).entropy) <= 1.0


def test_a_map_without_relevance_is_undefined_not_zero():
    got = scored(
        torch.zeros(1, 7, 7),
        torch.ones(1, 1, *SIZE),
        torch.full((1, *SIZE), 255, dtype=torch.uint8),
    )
    assert float(got.total) == 0
    for value in (got.mass, got.entropy, got.peak, got.rank_accuracy, got.pointing_hit):
        assert torch.isnan(value).all()


def test_an_empty_mask_is_no_hit():
    got = scored(
        torch.rand(1, 7, 7), torch.ones(1, 1, *SIZE), torch.zeros(1, *SIZE, dtype=torch.uint8)
    )
    assert math.isnan(float(got.pointing_hit))
    assert math.isnan(float(got.rank_accuracy))


def test_pointing_tolerance_is_15_px_at_224():
    size = (224, 224)
    relevance = torch.zeros(1, 224, 224)
    relevance[0, 100, 100] = 1
    masks = torch.ones(1, 1, *size)
    for distance, hit in ((15, 1.0), (16, 0.0)):
        objects = torch.zeros(1, *size, dtype=torch.uint8)
        objects[0, 100, 100 + distance] = 255
        got = score(relevance, pull_down(masks, size), objects, size)
        assert float(got.pointing_hit) == hit


def test_a_mirrored_photo_scores_mirrored():
    """At the edge, upsampling leaves a plateau, of which argmax would take the first pixel."""
    relevance = torch.zeros(1, 7, 7)
    relevance[0, 0, 0] = 1.0
    objects = torch.zeros(1, 224, 224, dtype=torch.uint8)
    objects[0, 16:18, 28:34] = 255
    for flip in ([], [1], [2], [1, 2]):
        maps, inside = relevance.flip(flip), objects.flip(flip)
        pulled = pull_down((inside[:, None] > 0).float(), (7, 7))
        got = score(maps, pulled, inside, (224, 224))
        assert float(got.pointing_hit) == 1.0
        expected = [1 - 0.5 / 7 if side in flip else 0.5 / 7 for side in (1, 2)]
        assert got.peak[0].tolist() == pytest.approx(expected)


def test_faint_and_strong_maps_score_alike():
    relevance = torch.rand(1, 7, 7)
    masks = torch.zeros(1, 1, *SIZE)
    masks[..., :20] = 1
    faint = scored(relevance * 1e-12, masks, None)
    strong = scored(relevance * 1e12, masks, None)
    assert float(faint.mass) == pytest.approx(float(strong.mass), abs=1e-6)
