from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from xai_audit.discovery.cluster import groups, neighbour_graph, spectrum
from xai_audit.discovery.valley import _on_the_line, crossing, has_two_modes, is_one_cloud


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


def test_a_few_edges_between_two_clouds_are_allowed_and_many_are_not():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((200, 2)) + np.repeat([[0, 0], [4.5, 0]], 100, axis=0)
    one = np.arange(200) < 100
    assert crossing(neighbour_graph(points, 10), one, ~one) > 0
    assert apart(points, one)
    assert not apart(points - np.repeat([[0, 0], [3, 0]], 100, axis=0), one)


def test_a_thread_is_one_cloud_though_few_edges_cross_its_middle():
    points = np.random.default_rng(0).standard_normal((200, 1))
    one = points[:, 0] < 0
    assert crossing(neighbour_graph(points, 10), one, ~one) < 0.05
    assert not apart(points, one)


def test_few_points_in_many_dimensions_show_no_valley():
    # At random halves: each point leans to a mean that it is part of, and only to that one.
    rng = np.random.default_rng(0)
    halves = rng.standard_normal((2, 12, 400))
    assert not has_two_modes(_on_the_line(*halves), seed=0)


def test_each_mean_lies_half_a_length_from_the_middle():
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((500, 3)), rng.standard_normal((500, 3)) + [6, 0, 0]
    where = _on_the_line(one, other)
    assert where[:500].mean() == pytest.approx(-0.5, abs=0.01)
    assert where[500:].mean() == pytest.approx(0.5, abs=0.01)
