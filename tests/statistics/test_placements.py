from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from xai_audit.statistics.placements import placement_interval, placements


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


def interval(scores, positive):
    return placement_interval(*placements(scores, positive))


def test_placements_average_to_the_auroc_with_ties_half(scored):
    scores, positive = scored
    assert len(np.unique(scores)) < 50
    over, under = placements(scores, positive)
    assert (len(over), len(under)) == (positive.sum(), (~positive).sum())
    u = mannwhitneyu(scores[positive], scores[~positive]).statistic
    for area in (over.mean(), under.mean()):
        assert area == pytest.approx(naive_delong(scores, positive)[0])
        assert area == pytest.approx(u / positive.sum() / (~positive).sum())
        assert area == pytest.approx(roc_auc_score(positive, scores))
    for side in placements(scores, np.ones(60, dtype=bool)):
        assert len(side) == 0


def test_interval_is_that_of_every_pair_on_the_logit_scale(scored):
    area, variance = naive_delong(*scored)
    centre, half = math.log(area / (1 - area)), 1.959964 * math.sqrt(variance) / area / (1 - area)
    assert interval(*scored) == pytest.approx(
        (expit(centre - half), expit(centre + half)), abs=1e-6
    )


def test_interval_at_the_ends():
    scores, positive = np.arange(20.0), np.arange(20) >= 12
    low, high = interval(scores, positive)
    assert (low, high) == pytest.approx((0.025 ** (1 / 8), 1))
    assert interval(-scores, positive) == pytest.approx((0, 1 - low))
    assert np.isnan(interval(scores, np.arange(20) == 3)).all()


def test_interval_covers():
    rng = np.random.default_rng(5)
    positive = np.arange(120) < 30
    truth = 0.7602  # of two normals one standard deviation apart: Phi(1 / sqrt 2)
    held = 0
    for _ in range(400):
        low, high = interval(rng.normal(positive, 1), positive)
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.98
