from __future__ import annotations

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from scipy.stats import false_discovery_control, kstest, permutation_test

from xai_audit.statistics.p_values import benjamini_hochberg, flip_p


def test_p_is_the_share_of_all_sign_patterns():
    values = np.array([0.4, -0.1, 0.3, 0.2, 0.0, 0.25])
    sums = [np.dot(signs, values) for signs in itertools.product((1, -1), repeat=6)]
    expected = np.mean([total >= values.sum() - 1e-9 for total in sums])
    assert flip_p(values, seed=0) == expected


def test_drawn_flips_agree_with_the_exact_test():
    values = np.random.default_rng(1).normal(0.1, 0.3, 17)
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    exact = (sums >= values.sum() - 1e-9).mean()
    assert flip_p(values, seed=3) == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))
    assert flip_p(np.full(24, 0.5), seed=0) == pytest.approx(1 / 20_001, abs=1e-9)


def test_p_is_the_same_for_the_same_seed_only():
    values = np.random.default_rng(2).normal(0.05, 0.3, 24)
    assert flip_p(values, seed=4) == flip_p(values, seed=4)
    assert flip_p(values, seed=4) != flip_p(values, seed=5)


@pytest.mark.parametrize("size", [10, 24])
def test_p_is_uniform_without_an_effect_and_small_with_one(size):
    rng = np.random.default_rng(0)
    null = [flip_p(rng.normal(0, 0.2, size), seed=i) for i in range(300)]
    assert kstest(null, "uniform").pvalue > 0.01
    shifted = [flip_p(rng.normal(0.2, 0.2, size), seed=i) for i in range(50)]
    assert np.mean(np.array(shifted) < 0.05) > 0.7


def scipys(values, flips=20_000):
    """The same test by SciPy's permutations; its ties are relative to a mean that may be 0."""
    shifted = lambda x, axis: np.abs(values).sum() + x.sum(axis)  # noqa: E731
    return permutation_test(
        (values,), shifted, permutation_type="samples", alternative="greater",
        n_resamples=flips, vectorized=True, batch=1000, random_state=np.random.default_rng(9),
    ).pvalue  # fmt: skip


@pytest.mark.parametrize("count", [2, 3, 5, 8, 11, 13])
def test_exact_p_is_that_of_scipys_permutation_test(count):
    rng = np.random.default_rng(count)
    for shift in (0.0, 0.1, 0.3):
        plain = rng.normal(shift, 0.3, count)
        for values in (plain, np.round(plain, 1), np.round(plain * 2) / 2):  # the latter have ties
            assert flip_p(values, seed=0) == pytest.approx(scipys(values), abs=1e-12)


@pytest.mark.slow
def test_exact_p_of_16_is_that_of_scipys_permutation_test():
    values = np.random.default_rng(3).normal(0.1, 0.3, 16)
    assert flip_p(values, seed=0) == pytest.approx(scipys(values, 2**16), abs=1e-12)


@pytest.mark.parametrize("count", [17, 24, 60])
@pytest.mark.parametrize("effect", [0.0, 0.02, 0.1])
def test_drawn_p_agrees_with_scipys_permutation_test(count, effect):
    values = np.random.default_rng(count).normal(effect, 0.3, count)
    expected = scipys(values)
    # Both are drawn: the standard error of their difference.
    error = math.sqrt(2 * max(expected * (1 - expected), 1e-4) / 20_000)
    assert flip_p(values, seed=1) == pytest.approx(expected, abs=4 * error)


def test_sums_that_only_rounding_tells_apart_are_equal():
    values = np.array([0.1, 0.2, -0.3])  # 0 but for rounding, as is its negative
    whole = np.array([1.0, 2.0, -3.0])
    assert flip_p(values, seed=0) == flip_p(whole, seed=0) == 5 / 8
    many, more = np.tile(values, 8), np.tile(whole, 8)
    assert flip_p(many, seed=0) == flip_p(more, seed=0)


def test_p_of_constant_and_few_differences():
    assert flip_p(np.full(8, 0.25), seed=0) == 1 / 256
    assert flip_p(np.zeros(20), seed=0) == 1
    assert flip_p(np.array([0.4]), seed=0) == 0.5
    assert math.isnan(flip_p(np.empty(0), seed=0))


def test_thousands_of_differences_are_drawn_a_bounded_number_at_once():
    values = np.random.default_rng(0).normal(0.01, 0.3, 5000)
    tracemalloc.start()
    assert 0 < flip_p(values, seed=0) < 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


def test_benjamini_hochberg_is_the_step_up_procedure():
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.8, 0.04])
    order = np.argsort(p)
    naive = np.empty(6)
    for rank, index in enumerate(order):
        naive[index] = min(p[order[j]] * 6 / (j + 1) for j in range(rank, 6))
    assert benjamini_hochberg(p) == pytest.approx(naive)


@pytest.mark.parametrize("seed", range(20))
def test_benjamini_hochberg_is_scipys_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    p = rng.random(int(rng.integers(1, 400))).round(int(rng.integers(1, 6)))  # with ties
    assert np.array_equal(benjamini_hochberg(p), false_discovery_control(p))


def test_benjamini_hochberg_does_not_count_nan():
    q = benjamini_hochberg(np.array([[0.01, np.nan], [0.02, np.nan]]))
    assert q[:, 0] == pytest.approx([0.02, 0.02])
    assert np.isnan(q[:, 1]).all()
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
    assert benjamini_hochberg(np.empty(0)).shape == (0,)
