from __future__ import annotations

import numpy as np
import pytest

from xai_audit.discovery.read import cell_shares, common_grid


def test_common_grid_is_the_most_common_and_small():
    assert common_grid({(7, 7): 3, (14, 14): 2}) == (7, 7)
    assert common_grid({(14, 14): 2, (7, 7): 2}) == (7, 7)
    assert common_grid({(56, 12): 1}) == (16, 12)


def test_shares_sum_to_one_on_the_same_grid():
    heatmap = np.random.default_rng(0).random((3, 5)).astype(np.float16)
    found = cell_shares(heatmap.ravel(), (3, 5), (3, 5))
    wide = heatmap.astype(np.float64)
    np.testing.assert_allclose(found, wide / wide.sum(), rtol=1e-6)


@pytest.mark.parametrize(("old", "new"), [((6, 4), (3, 2)), ((7, 7), (3, 4)), ((3, 3), (5, 7))])
def test_another_grid_shares_by_area(old, new):
    heatmap = np.random.default_rng(1).random(old).astype(np.float16)
    # Slow: every cell as many equal bits as divide both grids, then counted up.
    bits = np.kron(heatmap.astype(np.float64), np.ones(new))
    slow = bits.reshape(new[0], old[0], new[1], old[1]).sum((1, 3))
    found = cell_shares(heatmap.ravel(), old, new)
    np.testing.assert_allclose(found, slow / slow.sum(), rtol=1e-5)
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "bad", [np.zeros(4), np.array([1, np.nan, 0, 0]), np.array([np.inf, 0, 0, 0])]
)
def test_nothing_of_a_map_without_relevance_or_not_finite(bad):
    assert cell_shares(bad.astype(np.float16), (2, 2), (2, 2)) is None


def test_nothing_of_no_map():
    assert cell_shares(None, (0, 0), (2, 2)) is None
