from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import sem
from scipy.stats import t as student

from tests.statistics.populations import KINDS, mostly_noise
from xai_audit.statistics.estimate import UNKNOWN, Estimate, paired
from xai_audit.statistics.intervals import (
    difference_interval,
    effect_interval,
    mean_interval,
    student_interval,
)
from xai_audit.statistics.p_values import flip_p


def test_interval_of_symmetric_differences_is_students_with_the_allowance():
    values = np.array([-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.5, -0.3, 0.4, 0.1])
    values = np.concatenate([values, 0.2 - values])  # mean 0.1, no skewness
    half = student.ppf(0.975, 19) * values.std(ddof=1) / math.sqrt(20)
    reach = math.hypot(half, 0.1 / 20)
    assert difference_interval(values) == pytest.approx((0.1 - reach, 0.1 + reach))


def test_interval_of_skewed_differences_goes_some_of_the_way_to_where_hall_ends():
    values = np.r_[np.full(20, 0.01), 0.3, 0.5, 0.6, 0.9]
    n, mean, error = 24, values.mean(), values.std(ddof=1) / math.sqrt(24)
    a = ((values - mean) ** 3).mean() / values.std() ** 3 / math.sqrt(n)
    quantile = student.ppf(0.975, n - 1)

    def hall(t):
        return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6

    end = -brentq(lambda t: hall(t) + quantile, -20, 0)
    assert end > 1.2 * quantile
    low, high = difference_interval(values)
    above = math.sqrt((high - mean) ** 2 - (0.1 / n) ** 2) / error
    below = math.sqrt((mean - low) ** 2 - (0.1 / n) ** 2) / error
    assert above == pytest.approx(quantile + 0.4 * (end - quantile))
    assert below == pytest.approx(quantile)


def test_interval_of_mirrored_differences_is_mirrored():
    values = np.r_[np.zeros(10), 0.2, 0.9]
    low, high = difference_interval(values)
    assert difference_interval(-values) == pytest.approx((-high, -low))


def test_interval_of_constant_and_few_differences():
    reach = 0.1 / 8
    same = difference_interval(np.full(8, 0.25))
    assert same == pytest.approx((0.25 - reach, 0.25 + reach))
    assert difference_interval(np.ones(8))[1] == 1
    for few in (np.array([0.4]), np.empty(0)):
        assert np.isnan(difference_interval(few)).all()


def test_paired_is_the_mean_the_interval_and_the_sign_flip_p():
    values = np.random.default_rng(0).normal(0.1, 0.3, 24)
    expected = (values.mean(), *difference_interval(values), flip_p(values, seed=7))
    assert paired(values, seed=7) == Estimate(*expected)
    one = paired(np.array([0.4]), seed=0)
    assert (one.value, one.p) == (0.4, 0.5)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert paired(np.empty(0), seed=0) is UNKNOWN


def test_students_interval_is_scipys_where_there_is_spread():
    rng = np.random.default_rng(0)
    mean, error = rng.normal(size=6), rng.uniform(0.1, 1, 6)
    freedom = np.array([1.0, 2, 3.5, 10, 100, np.nan])
    for level in (0.95, 0.99):
        expected = student.interval(level, freedom, mean, error)
        assert student_interval(mean, error, freedom, level=level) == pytest.approx(
            np.array(expected), abs=1e-12, nan_ok=True
        )
    assert student_interval(0.3, 0.0, 4) == (0.3, 0.3)


def test_mean_interval_is_students_and_nan_where_undefined():
    values = np.random.default_rng(1).uniform(size=9)
    expected = student.interval(0.95, 8, values.mean(), sem(values))
    assert mean_interval(values) == pytest.approx((values.mean(), *expected), abs=1e-12)
    assert mean_interval(np.full(3, 0.5)) == (0.5, 0.5, 0.5)
    assert mean_interval(np.array([4.0]))[0] == 4
    assert np.isnan(mean_interval(np.array([4.0]))[1:]).all()
    assert np.isnan(mean_interval(np.empty(0))).all()


@pytest.mark.parametrize(("count", "most"), [(4, 0.19), (8, 0.19), (16, 1 - 0.1 ** (1 / 16))])
def test_effects_that_no_photo_shows_may_be_in_as_many_as_the_sample_would_miss(count, most):
    values = np.random.default_rng(0).normal(0, 0.01, count)
    low, high = difference_interval(values)
    assert high < most
    assert effect_interval(values) == pytest.approx((low, most))
    shown = np.r_[values[1:], 0.1]
    assert effect_interval(shown) == difference_interval(shown)
    surely_below = np.full(count, -0.3)
    assert effect_interval(surely_below) == difference_interval(surely_below)


def test_photos_of_one_cluster_say_as_much_of_what_is_not_seen_as_one():
    values = np.random.default_rng(0).normal(0, 0.01, 32)
    clusters = np.repeat(np.arange(16), 2)[:, None]
    assert effect_interval(values, clusters)[1] == pytest.approx(1 - 0.1 ** (1 / 16))
    assert np.isnan(effect_interval(values, np.zeros((32, 1), int))).all()


def covered(draw, rng, *, size, cells):
    """Share of intervals that hold the mean of a 20 times larger sample."""
    truth = draw(rng, (cells, 20 * size)).mean(1)
    found = [effect_interval(values) for values in draw(rng, (cells, size))]
    return np.mean([low <= v <= high for (low, high), v in zip(found, truth, strict=True)])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_interval_holds_the_value_of_a_larger_sample(kind):
    share = covered(KINDS[kind], np.random.default_rng(0), size=24, cells=3000)
    assert 0.92 <= share <= 0.98, share


@pytest.mark.parametrize("size", [8, 16, 24, 32])
def test_intervals_over_mixed_cells_are_honest(size):
    rng = np.random.default_rng(1)
    shares = [covered(draw, rng, size=size, cells=600) for draw in KINDS.values()]
    assert 0.93 <= np.mean(shares) <= 0.97


@pytest.mark.parametrize("size", [8, 16, 24, 32])
@pytest.mark.parametrize("one_in", [20, 10, 5])
def test_intervals_hold_effects_that_few_photos_show(one_in, size):
    share = covered(mostly_noise(1 / one_in), np.random.default_rng(2), size=size, cells=500)
    assert share >= 0.9, share
