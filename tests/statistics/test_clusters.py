"""Intervals and p of pairs that share sites, patients, donors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import t as student

from xai_audit.statistics.clusters import cluster_error
from xai_audit.statistics.estimate import paired
from xai_audit.statistics.intervals import difference_interval
from xai_audit.statistics.p_values import cluster_p, flip_p

PAIRS = 24
SITES = {
    "4 of 6": np.repeat(np.arange(4), 6),
    "8 of 3": np.repeat(np.arange(8), 3),
    "12 of 2": np.repeat(np.arange(12), 2),
    "unequal": np.repeat(np.arange(8), [7, 5, 4, 2, 2, 2, 1, 1]),
    "one of 12": np.repeat(np.arange(7), [12, 2, 2, 2, 2, 2, 2]),
    "2 near-duplicates": np.r_[0, 0, 1:23],
}


def naive_variance(values, cluster):
    """The sum over all pairs of values of one cluster, with the factor of the effective number."""
    centred, n = values - values.mean(), len(values)
    shared = sum(
        centred[i] * centred[j] for i in range(n) for j in range(n) if cluster[i] == cluster[j]
    )
    sizes = [list(cluster).count(one) for one in set(cluster)]
    g = n**2 / sum(size**2 for size in sizes)
    return shared / n**2 * g / (g - 1), g - 1


def test_error_is_the_sum_over_pairs_that_share_the_photo_s_cluster_or_a_donor_s():
    rng = np.random.default_rng(0)
    own, donor = SITES["unequal"], rng.integers(0, 5, PAIRS)
    values = rng.normal(size=PAIRS) + rng.normal(0, 2, 5)[donor]
    both = [*zip(own.tolist(), donor.tolist(), strict=True)]
    parts = [naive_variance(values, each) for each in (own.tolist(), donor.tolist(), both)]
    variance = parts[0][0] + parts[1][0] - parts[2][0]
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    assert cluster_error(values, np.c_[own, donor]) == pytest.approx((math.sqrt(variance), freedom))


def test_donors_of_one_cluster_or_without_an_effect_of_their_own_change_nothing():
    values = np.random.default_rng(1).normal(size=PAIRS)
    own = SITES["8 of 3"]
    alone = cluster_error(values, own[:, None])
    assert cluster_error(values, np.c_[own, np.zeros(PAIRS, int)]) == pytest.approx(alone)
    assert cluster_error(values, np.c_[own, own]) == pytest.approx(alone)


def test_photos_each_of_its_own_have_the_usual_interval_and_p():
    values = np.random.default_rng(2).gamma(0.5, 0.2, PAIRS)
    alone = np.arange(PAIRS)[:, None]
    assert difference_interval(values, alone) == pytest.approx(difference_interval(values))
    assert cluster_p(values, alone, seed=3) >= flip_p(values, seed=3)


def test_pairs_repeated_within_a_cluster_tell_no_more_than_one_of_them():
    half = np.random.default_rng(3).normal(0, 0.3, 6)
    once = 0.1 + np.r_[half, -half]  # no skewness, which of so few clusters is not known
    thrice, own = np.repeat(once, 3), np.repeat(np.arange(12), 3)[:, None]
    assert difference_interval(thrice, own) == pytest.approx(difference_interval(once))
    flips = [np.dot(signs, once) for signs in itertools.product((1, -1), repeat=12)]
    exact = np.mean([total >= once.sum() - 1e-9 for total in flips])
    t = student.sf(once.mean() / once.std(ddof=1) * math.sqrt(12), 11)
    assert cluster_p(thrice, own, seed=0) == pytest.approx(max(exact, t))


def test_few_clusters():
    values = np.random.default_rng(4).normal(0.2, 0.1, PAIRS)
    three = paired(values, seed=0, clusters=(np.arange(PAIRS) % 3)[:, None])
    assert three.value == values.mean()
    assert np.isnan([three.low, three.high, three.p]).all()
    four = paired(values, seed=0, clusters=(np.arange(PAIRS) % 4)[:, None])
    assert four.p < 0.05  # below 1/16, the least p of 4 signs
    assert four.low < four.value < four.high
    same = paired(np.full(PAIRS, 0.5), seed=0, clusters=(np.arange(PAIRS) % 4)[:, None])
    assert (same.low, same.high, same.p) == pytest.approx((0.475, 0.525, 1 / 16))


def drawn(rng, own, donors, of_site, of_donor):
    """Differences with a mean of 0 that sites and donors share a part of, and their clusters."""
    donor = rng.permutation(np.arange(PAIRS) % donors)
    site, given = rng.normal(0, of_site, PAIRS)[own], rng.normal(0, of_donor, donors)[donor]
    return site + given + rng.normal(0, 0.1, PAIRS), np.c_[own, donor]


SHARED = [(6, 0.2, 0.1), (6, 0.1, 0.2), (12, 0.2, 0.05)]


def coverage(sites, donors, of_site, of_donor, *, draws):
    """Share of 95 % intervals that hold the mean, by clusters and as if there were none."""
    rng, held = np.random.default_rng(0), []
    for _ in range(draws):
        values, clusters = drawn(rng, SITES[sites], donors, of_site, of_donor)
        ends = difference_interval(values, clusters), difference_interval(values)
        held.append([low <= 0 <= high for low, high in ends])
    return np.mean(held, axis=0)


@pytest.mark.parametrize("shared", SHARED)
def test_intervals_cover_where_pairs_share_sites_and_donors(shared):
    found = {sites: coverage(sites, *shared, draws=2000) for sites in SITES}
    for sites, (clustered, usual) in found.items():
        # Too wide where one site has half of the photos, and where 4 have all.
        assert 0.93 <= clustered <= 0.985, (sites, clustered)
        if sites in ("4 of 6", "8 of 3", "unequal", "one of 12"):
            assert usual < 0.8, (sites, usual)
    assert 0.93 <= np.mean([clustered for clustered, _ in found.values()]) <= 0.97


@pytest.mark.parametrize("sites", ["4 of 6", "12 of 2", "unequal"])
def test_p_is_rarely_small_without_an_effect(sites):
    rng = np.random.default_rng(1)
    p = [cluster_p(*drawn(rng, SITES[sites], 6, 0.2, 0.1), seed=0) for _ in range(600)]
    assert np.mean(np.array(p) < 0.05) < 0.075
