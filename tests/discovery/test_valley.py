from __future__ import annotations

import numpy as np
import pytest

from xai_audit.discovery.spectral import groups, neighbour_graph, spectrum
from xai_audit.discovery.valley import crossing, has_two_modes, is_one_cloud


def apart(points: np.ndarray, one: np.ndarray) -> bool:
    return not is_one_cloud(points, neighbour_graph(points, 10), one, ~one, seed=0)


@pytest.mark.parametrize("seed", range(5))
def test_two_modes_where_there_are_two(seed):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.standard_normal(100), 5 + rng.standard_normal(40)])
    assert has_two_modes(values, seed=seed)


def test_one_mode_where_there_is_one():
    normal = [np.random.default_rng(seed).standard_normal(100) for seed in range(20)]
    found = sum(has_two_modes(values, seed=seed) for seed, values in enumerate(normal))
    assert found <= 3  # at p < .05


def test_equal_values_have_one_mode():
    assert not has_two_modes(np.full(30, 2.5), seed=0)


def test_crossing_is_counted_by_hand():
    # 0-1, 1-2, 2-3, 0-2: of {0, 1} one edge inside and two out; of {2, 3} one inside, two out.
    edges = np.zeros((4, 4))
    for i, j in ((0, 1), (1, 2), (2, 3), (0, 2)):
        edges[i, j] = edges[j, i] = 1
    from scipy.sparse import csr_matrix

    one = np.array([True, True, False, False])
    assert crossing(csr_matrix(edges), one, ~one) == pytest.approx(2 / (2 + 2))
    edges[1, 2] = edges[2, 1] = edges[0, 2] = edges[2, 0] = 0
    assert crossing(csr_matrix(edges), one, ~one) == 0


def test_halves_of_a_cloud_are_one():
    rng = np.random.default_rng(0)
    for size, dimensions in ((60, 2), (200, 2), (60, 49), (200, 49)):
        points = rng.standard_normal((size, dimensions))
        half = groups(spectrum(neighbour_graph(points, 10), 3), 2, seed=0) == 0
        assert not apart(points, half)


def test_two_clouds_are_two():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((80, 10))
    points[:30] += 3
    assert apart(points, np.arange(80) < 30)


def test_a_handful_is_no_cluster():
    points = np.random.default_rng(0).standard_normal((80, 2))
    points[:4] += 30
    assert not apart(points, np.arange(80) < 4)
