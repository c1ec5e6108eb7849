from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from tests.discovery.runs import CENTRE, CORNER, blobs, settings
from xai_audit.discovery.cluster import NOISE, clustered, stability

ALGORITHMS = ("spectral", "hdbscan")


def shares(*maps: np.ndarray) -> np.ndarray:
    flat = np.concatenate(maps).reshape(sum(map(len, maps)), -1)
    return (flat / flat.sum(1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("few", [10, 30, 50])
def test_two_strategies_are_two_clusters(algorithm, few):
    rng = np.random.default_rng(few)
    points = shares(blobs(rng, 100 - few, CENTRE), blobs(rng, few, CORNER, 0.3))
    found = clustered(points, settings=settings(algorithm=algorithm, neighbours=8), seed=0)
    kept = found.labels != NOISE
    assert set(found.labels[kept]) == {0, 1}
    truth = np.repeat([0, 1], [100 - few, few])
    assert adjusted_rand_score(truth[kept], found.labels[kept]) > 0.9
    assert kept.mean() > 0.9


def test_three_strategies_are_three_clusters_largest_first():
    rng = np.random.default_rng(3)
    points = shares(
        blobs(rng, 20, (0.0, 0.0), 0.2), blobs(rng, 60, CENTRE, 0.4), blobs(rng, 40, CORNER, 0.2)
    )
    found = clustered(points, settings=settings(), seed=0)
    assert found.eigengap > 0.1
    np.testing.assert_array_equal(found.labels, np.repeat([2, 0, 1], [20, 60, 40]))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_strategy_is_one_cluster(algorithm):
    for seed in range(5):
        points = shares(blobs(np.random.default_rng(seed), 80, CENTRE))
        found = clustered(points, settings=settings(algorithm=algorithm), seed=seed)
        assert set(found.labels) - {NOISE} == {0}


def test_noise_is_one_cluster():
    points = shares(np.random.default_rng(0).exponential(size=(100, 7, 7)))
    found = clustered(points, settings=settings(), seed=0)
    assert not found.labels.any()
    assert stability(points, found.labels, settings=settings(), seed=0) == 1


def test_equal_maps_are_one_cluster():
    for algorithm in ALGORITHMS:
        points = np.full((30, 4), 0.25, np.float32)
        found = clustered(points, settings=settings(algorithm=algorithm), seed=0)
        assert not found.labels.any()


def test_hdbscan_knows_noise():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal((0, 0), 0.1, (40, 2)), rng.normal((5, 5), 0.1, (40, 2))])
    points = np.concatenate([points, [[2.0, -9.0], [-9.0, 2.5]]])
    found = clustered(points, settings=settings(algorithm="hdbscan"), seed=0)
    np.testing.assert_array_equal(found.labels, np.repeat([0, 1, NOISE], [40, 40, 2]))
    assert np.isnan(found.eigengap)


def test_no_more_clusters_than_asked_for():
    rng = np.random.default_rng(0)
    corners = [(0.0, 0.0), (0.0, 6.0), (6.0, 0.0), (6.0, 6.0)]
    points = shares(*[blobs(rng, 30, corner, 0.2) for corner in corners])
    many = clustered(points, settings=settings(), seed=0)
    few = clustered(points, settings=settings(max_clusters=2), seed=0)
    assert many.labels.max() == 3
    assert few.labels.max() <= 1


def test_stability_is_high_where_clusters_are_and_low_for_a_whim():
    rng = np.random.default_rng(0)
    points = shares(blobs(rng, 60, CENTRE), blobs(rng, 40, CORNER, 0.3))
    truth = np.repeat([0, 1], [60, 40])
    assert stability(points, truth, settings=settings(), seed=0) > 0.95
    assert stability(points, rng.permutation(truth), settings=settings(), seed=0) < 0.1


def test_same_seed_same_labels():
    points = shares(blobs(np.random.default_rng(5), 90, CENTRE, 2.0))
    first, again = (clustered(points, settings=settings(), seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.eigengap == again.eigengap
