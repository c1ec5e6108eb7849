"""The difference of two effects: against a plain computation, and on pairs of known differences."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.bench.compare import coverage, populations
from xai_audit.compare.difference import IMAGES, PAIRS, UNPAIRED, of_effects, of_pairs, unpaired
from xai_audit.compare.measures import clusters_of
from xai_audit.statistics.intervals import difference_interval


def rows(effects, *, donors=0, first=0, photos=1000):
    """Pairs of photos ``first``... with donors that ``donors`` shifts."""
    n = len(effects)
    frame = pd.DataFrame({"effect": effects})
    frame["image_id"] = [f"x{first + i}" for i in range(n)]
    frame["donor_with"] = [f"y{(i + donors) % photos}" for i in range(n)]
    frame["donor_without"] = [f"z{(i + donors) % photos}" for i in range(n)]
    return frame


def numbered(*frames):
    names = ("image_id", "donor_with", "donor_without")
    ids = sorted({one for frame in frames for name in names for one in frame[name]})
    return {one: number for number, one in enumerate(ids)}


def test_the_same_pairs_are_compared_pair_by_pair():
    rng = np.random.default_rng(0)
    before, change = rng.uniform(0, 0.9, 20), rng.normal(-0.3, 0.1, 20)
    one, two = rows(before), rows(before + change).sample(frac=1, random_state=0)
    found = of_effects(one, two, numbered(one, two), seed=0)
    assert (found.compared, found.count) == (PAIRS, 20)
    assert found.value == pytest.approx(change.mean())
    assert (found.low, found.high) == pytest.approx(difference_interval(change))
    t = stats.ttest_1samp(change, 0).pvalue
    assert max(t, 2 / 2**16) <= found.p <= max(t, 3 / 20_000)
    # Effects that vary by photo far more than the change: unpaired nothing of it would be seen.
    loose = unpaired(before, None, before + change, None)
    assert loose.high - loose.low > 3 * (found.high - found.low)


def test_only_pairs_that_both_have_count():
    noise = np.random.default_rng(4).normal(0, 0.005, 8)
    one, two = rows(np.full(8, 0.5)), rows(np.r_[0.4 + noise, np.zeros(8)])
    found = of_effects(one, two, numbered(one, two), seed=0)
    assert (found.compared, found.count) == (PAIRS, 8)
    assert found.value == pytest.approx(-0.1 + noise.mean())
    assert found.p == pytest.approx(stats.ttest_1samp(noise - 0.1, 0).pvalue)  # two-sided
    assert found.p < 1e-6  # all fell alike; sign patterns of 8 alone would end at 0.008


def test_photos_with_other_donors_are_compared_photo_by_photo():
    rng = np.random.default_rng(1)
    before = rng.uniform(0, 0.9, 16)
    one, two = rows(before), rows(before - 0.2, donors=500)
    found = of_effects(one, two, numbered(one, two), seed=0)
    assert (found.compared, found.count) == (IMAGES, 16)
    assert found.value == pytest.approx(-0.2)


def test_other_photos_are_compared_unpaired():
    """Against Welch's test of SciPy, and an interval made of the two means' own."""
    rng = np.random.default_rng(2)
    before, after = rng.normal(0.6, 0.1, 20), rng.normal(0.3, 0.2, 12)
    one, two = rows(before), rows(after, first=100, donors=500)
    found = of_effects(one, two, numbered(one, two), seed=0)
    assert (found.compared, found.count) == (UNPAIRED, 0)
    assert found.p == pytest.approx(stats.ttest_ind(after, before, equal_var=False).pvalue)
    (a, b), (c, d) = difference_interval(before), difference_interval(after)
    low = math.sqrt((after.mean() - c) ** 2 + (b - before.mean()) ** 2)
    assert found.low == pytest.approx(after.mean() - before.mean() - low)
    high = math.sqrt((d - after.mean()) ** 2 + (before.mean() - a) ** 2)
    assert found.high == pytest.approx(after.mean() - before.mean() + high)


def test_pairs_of_one_site_tell_no_more_than_the_site():
    change = np.random.default_rng(3).normal(0.1, 0.2, 6)
    one, two = rows(np.zeros(18)), rows(np.repeat(change, 3))
    sites = numbered(one, two) | {f"x{i}": 10_000 + i // 3 for i in range(18)}
    alone = of_effects(one, two, numbered(one, two), seed=0)
    grouped = of_effects(one, two, sites, seed=0)
    assert grouped.high - grouped.low > 1.4 * (alone.high - alone.low)
    assert grouped.p > alone.p


def test_what_cannot_be_compared_is_undefined():
    one, two = rows(np.full(3, 0.5)), rows(np.full(20, 0.1), first=50)
    found = of_effects(one, two, numbered(one, two), seed=0)
    assert found.compared is None
    assert math.isnan(found.value)
    same = of_pairs(np.zeros(8), None, PAIRS, seed=0)
    assert unpaired(np.zeros(8), None, np.zeros(4), None).p == 1
    # All of one above all of the other: 1 of 495 ways to draw 4 of 12, on either side.
    assert unpaired(np.zeros(8), None, np.ones(4), None).p == pytest.approx(2 / 495)
    assert (same.value, same.p) == (0, 1)


def test_intervals_hold_the_known_difference():
    """A small draw of the bench ``compare``, whose bound is .93 to .97."""
    for paired in (True, False):
        some = [*populations().values()][::3]
        held = [coverage(draw, 16, paired=paired, draws=200, truth=100_000) for draw in some]
        assert 0.92 <= np.mean(held) <= 0.985, paired


def test_a_photo_without_a_cluster_is_its_own_and_the_others_keep_theirs():
    """The survey reads some photos of a class; those that it left out are nobody's duplicates."""
    found = clusters_of(["a", "b", "c", "c", "d"], {"a": 7, "b": 7, "d": 9})[:, 0]
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert len({*found.tolist()}) == 3
    assert clusters_of(["a", "b"], {"a": 1}) is None
