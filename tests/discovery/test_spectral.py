from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import laplacian
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from xai_audit.discovery import cluster
from xai_audit.discovery.cluster import groups, neighbour_graph, spectrum


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((60, 5))


def test_graph_links_what_is_nearest_either_way(points):
    far = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(far, np.inf)
    slow = np.zeros((60, 60))
    for i in range(60):
        for j in np.argsort(far[i])[:7]:
            slow[i, j] = slow[j, i] = 1
    np.testing.assert_array_equal(neighbour_graph(points, 7).toarray(), slow)


def test_graph_of_fewer_points_than_neighbours_is_complete():
    found = neighbour_graph(np.arange(4.0)[:, None], 10).toarray()
    np.testing.assert_array_equal(found, 1 - np.eye(4))


@pytest.mark.parametrize("dense", [True, False])
def test_spectrum_is_that_of_the_normalised_laplacian(points, dense, monkeypatch):
    monkeypatch.setattr(cluster, "_DENSE", 400 if dense else 0)
    graph = neighbour_graph(points, 7)
    reference = np.linalg.eigvalsh(laplacian(graph.toarray(), normed=True))
    found = spectrum(graph, 6)
    np.testing.assert_allclose(found.values, reference[:6].clip(min=0), atol=1e-9)
    np.testing.assert_allclose(found.gaps(), np.diff(reference[:6]), atol=1e-9)
    # (I - D^-1 A) v = value v: the generalised problem of Shi and Malik.
    walk = graph.toarray() / graph.toarray().sum(1, keepdims=True)
    np.testing.assert_allclose(
        found.vectors - walk @ found.vectors, found.vectors * found.values, atol=1e-9
    )


def test_vectors_are_constant_on_components():
    graph = csr_matrix(np.kron(np.eye(2), 1 - np.eye(4)))
    found = spectrum(graph, 3)
    np.testing.assert_allclose(found.values[:2], 0, atol=1e-12)
    assert found.values[2] > 1
    halves = found.vectors[:, :2].reshape(2, 4, 2)
    np.testing.assert_allclose(halves, halves[:, :1].repeat(4, 1), atol=1e-12)


def test_groups_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    clouds = np.concatenate([rng.standard_normal((40, 3)) + shift for shift in (0, 2.5, 5)])
    graph = neighbour_graph(clouds, 10)
    reference = SpectralClustering(3, affinity="precomputed", random_state=0).fit_predict(graph)
    found = groups(spectrum(graph, 5), 3, seed=0)
    assert adjusted_rand_score(reference, found) > 0.97
    assert adjusted_rand_score(np.repeat([0, 1, 2], 40), found) > 0.85


def test_one_group_is_everything(points):
    assert not groups(spectrum(neighbour_graph(points, 7), 3), 1, seed=0).any()


def test_equal_points_ask_for_no_more_groups_than_places():
    found = spectrum(csr_matrix(1 - np.eye(6)), 4)
    flat = cluster.Spectrum(found.values, np.zeros_like(found.vectors))
    assert not groups(flat, 3, seed=0).any()
