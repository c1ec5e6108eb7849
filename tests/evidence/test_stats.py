from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import kstest, mannwhitneyu
from scipy.stats import t as student

from xai_audit.evidence.stats import (
    UNKNOWN,
    auroc,
    benjamini_hochberg,
    delong_interval,
    paired,
)


def test_paired_p_is_the_share_of_all_sign_patterns():
    values = np.array([0.4, -0.1, 0.3, 0.2, 0.0, 0.25])
    sums = [np.dot(signs, values) for signs in itertools.product((1, -1), repeat=6)]
    expected = np.mean([total >= values.sum() - 1e-9 for total in sums])
    assert paired(values, seed=0).p == expected


def test_drawn_flips_agree_with_the_exact_test():
    values = np.random.default_rng(1).normal(0.1, 0.3, 17)
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    exact = (sums >= values.sum() - 1e-9).mean()
    assert paired(values, seed=3).p == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))
    assert paired(np.full(24, 0.5), seed=0).p == pytest.approx(1 / 20_001, abs=1e-9)


def test_paired_is_the_same_for_the_same_seed_only():
    values = np.random.default_rng(2).normal(0.05, 0.3, 24)
    assert paired(values, seed=4) == paired(values, seed=4)
    assert paired(values, seed=4).p != paired(values, seed=5).p


def test_interval_of_symmetric_differences_is_students_with_the_allowance():
    values = np.array([-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.5, -0.3, 0.4, 0.1])
    values = np.concatenate([values, 0.2 - values])  # mean 0.1, no skewness
    half = student.ppf(0.975, 19) * values.std(ddof=1) / math.sqrt(20)
    found = paired(values, seed=0)
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - math.hypot(half, 0.1 / 20))
    assert found.high == pytest.approx(0.1 + math.hypot(half, 0.1 / 20))


def test_interval_of_skewed_differences_goes_some_of_the_way_to_where_hall_ends():
    values = np.r_[np.full(20, 0.01), 0.3, 0.5, 0.6, 0.9]
    n, mean, error = 24, values.mean(), values.std(ddof=1) / math.sqrt(24)
    a = ((values - mean) ** 3).mean() / values.std() ** 3 / math.sqrt(n)
    quantile = student.ppf(0.975, n - 1)

    def hall(t):
        return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6

    end = -brentq(lambda t: hall(t) + quantile, -20, 0)
    assert end > 1.2 * quantile
    found = paired(values, seed=0)
    above = math.sqrt((found.high - mean) ** 2 - (0.1 / n) ** 2) / error
    below = math.sqrt((mean - found.low) ** 2 - (0.1 / n) ** 2) / error
    assert above == pytest.approx(quantile + 0.4 * (end - quantile))
    assert below == pytest.approx(quantile)


def test_interval_of_mirrored_differences_is_mirrored():
    values = np.r_[np.zeros(10), 0.2, 0.9]
    found, mirrored = paired(values, seed=0), paired(-values, seed=0)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_constant_and_few_differences():
    same = paired(np.full(8, 0.25), seed=0)
    assert (same.low, same.high) == pytest.approx((0.25 - 0.1 / 8, 0.25 + 0.1 / 8))
    assert same.p == 1 / 256
    assert paired(np.zeros(20), seed=0).p == 1
    assert paired(np.ones(8), seed=0).high == 1
    one = paired(np.array([0.4]), seed=0)
    assert (one.value, one.p) == (0.4, 0.5)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert paired(np.empty(0), seed=0) is UNKNOWN


@pytest.mark.parametrize("size", [10, 24])
def test_paired_p_is_uniform_without_an_effect_and_small_with_one(size):
    rng = np.random.default_rng(0)
    null = [paired(rng.normal(0, 0.2, size), seed=i).p for i in range(300)]
    assert kstest(null, "uniform").pvalue > 0.01
    shifted = [paired(rng.normal(0.2, 0.2, size), seed=i).p for i in range(50)]
    assert np.mean(np.array(shifted) < 0.05) > 0.7


def softmaxed(mean, effect, spread):
    """Differences of probabilities as a network gives them: sure of most photos, not of all."""

    def draw(rng, shape):
        logit = rng.normal(mean, 2, shape)
        return expit(logit) - expit(logit - rng.normal(effect, spread, shape))

    return draw


def mostly_noise(share):
    def draw(rng, shape):
        large = rng.uniform(0.3, 1, shape)
        return np.where(rng.random(shape) < share, large, rng.normal(0, 0.01, shape))

    return draw


def bimodal(share):
    return lambda rng, shape: np.clip(
        (rng.random(shape) < share) + rng.normal(0, 0.01, shape), 0, 1
    )


KINDS = {
    "unsure, no effect": softmaxed(1, 0, 0.5),
    "unsure, noisy": softmaxed(1, 0, 2),
    "sure, small effect": softmaxed(5, 1, 0.5),
    "sure, medium effect": softmaxed(3, 3, 2),
    "large effect": softmaxed(5, 6, 2),
    "near constant": lambda rng, shape: np.minimum(rng.normal(0.9, 0.05, shape), 1),
    "some large": mostly_noise(0.2),
    "many large": mostly_noise(0.4),
    "bimodal": bimodal(0.5),
    "bimodal, mostly 1": bimodal(0.8),
}


def covered(draw, rng, *, size, cells):
    """Share of intervals that hold the mean of a 20 times larger sample."""
    truth = draw(rng, (cells, 20 * size)).mean(1)
    found = [paired(values, seed=0) for values in draw(rng, (cells, size))]
    return np.mean([e.low <= value <= e.high for e, value in zip(found, truth, strict=True)])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_interval_holds_the_value_of_a_larger_sample(kind, monkeypatch):
    monkeypatch.setattr("xai_audit.evidence.stats._flip_p", lambda values, seed: 1.0)
    share = covered(KINDS[kind], np.random.default_rng(0), size=24, cells=3000)
    assert 0.92 <= share <= 0.98, share


@pytest.mark.parametrize("size", [8, 16, 24, 32])
def test_intervals_over_mixed_cells_are_honest(size, monkeypatch):
    monkeypatch.setattr("xai_audit.evidence.stats._flip_p", lambda values, seed: 1.0)
    rng = np.random.default_rng(1)
    shares = [covered(draw, rng, size=size, cells=200) for draw in KINDS.values()]
    # Of 8 photos a rare large effect often shows in none.
    assert (0.91 if size == 8 else 0.93) <= np.mean(shares) <= 0.97


def test_what_24_photos_are_likely_not_to_show_is_missed(monkeypatch):
    monkeypatch.setattr("xai_audit.evidence.stats._flip_p", lambda values, seed: 1.0)
    share = covered(mostly_noise(0.05), np.random.default_rng(2), size=24, cells=1000)
    assert share == pytest.approx(1 - 0.95**24, abs=0.05)  # the limit that the docstring tells


def test_benjamini_hochberg_is_the_step_up_procedure():
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.8, 0.04])
    order = np.argsort(p)
    naive = np.empty(6)
    for rank, index in enumerate(order):
        naive[index] = min(p[order[j]] * 6 / (j + 1) for j in range(rank, 6))
    assert benjamini_hochberg(p) == pytest.approx(naive)


def test_benjamini_hochberg_does_not_count_nan():
    q = benjamini_hochberg(np.array([[0.01, np.nan], [0.02, np.nan]]))
    assert q[:, 0] == pytest.approx([0.02, 0.02])
    assert np.isnan(q[:, 1]).all()
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
    assert benjamini_hochberg(np.empty(0)).shape == (0,)


def naive_delong(scores, positive):
    """AUROC and its variance by every pair."""
    above, below = scores[positive], scores[~positive]
    wins = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    over, under = wins.mean(1), wins.mean(0)
    return wins.mean(), over.var(ddof=1) / len(over) + under.var(ddof=1) / len(under)


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    positive = rng.random(60) < 0.3
    return np.round(rng.normal(positive * 0.8, 1), 1), positive  # rounded: ties


def test_auroc_counts_ties_half(scored):
    scores, positive = scored
    assert len(np.unique(scores)) < 50
    assert auroc(scores, positive) == pytest.approx(naive_delong(scores, positive)[0])
    u = mannwhitneyu(scores[positive], scores[~positive]).statistic
    assert auroc(scores, positive) == pytest.approx(u / positive.sum() / (~positive).sum())
    assert math.isnan(auroc(scores, np.ones(60, dtype=bool)))


def test_delong_interval_is_that_of_every_pair_on_the_logit_scale(scored):
    area, variance = naive_delong(*scored)
    centre, half = math.log(area / (1 - area)), 1.959964 * math.sqrt(variance) / area / (1 - area)
    assert delong_interval(*scored) == pytest.approx(
        (expit(centre - half), expit(centre + half)), abs=1e-6
    )


def test_delong_interval_at_the_ends():
    scores, positive = np.arange(20.0), np.arange(20) >= 12
    low, high = delong_interval(scores, positive)
    assert (low, high) == pytest.approx((0.025 ** (1 / 8), 1))
    assert delong_interval(-scores, positive) == pytest.approx((0, 1 - low))
    assert np.isnan(delong_interval(scores, np.arange(20) == 3)).all()


def test_delong_interval_covers():
    rng = np.random.default_rng(5)
    positive = np.arange(120) < 30
    truth = 0.7602  # of two normals one standard deviation apart: Phi(1 / sqrt 2)
    held = 0
    for _ in range(400):
        low, high = delong_interval(rng.normal(positive, 1), positive)
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.98
