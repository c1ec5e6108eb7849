from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, rankdata
from scipy.stats import t as student
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from xai_audit.evidence import availability as module
from xai_audit.evidence.availability import availability
from xai_audit.evidence.permutations import arranged, shuffles, tail
from xai_audit.statistics.estimate import Estimate

CLASSES = ["a", "b", "c", "d"]


def made(seed, *, each=20, features=12, shift=0.0, classes=CLASSES):
    """Descriptors in which class a differs by ``shift`` in one feature, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(classes, each)
    content = rng.normal(size=(len(labels), features)).astype(np.float32)
    content[labels == "a", 0] += shift
    return content, labels


def ask(content, labels, *, groups=None, classes=CLASSES, permutations=100, seed=0):
    groups = np.arange(len(labels)) if groups is None else groups
    return availability(
        content, labels, groups, classes=classes, permutations=permutations, seed=seed
    )


def test_scores_and_auroc_are_those_of_one_ridge_a_class_and_fold():
    content, labels = made(0, shift=1.0)
    groups = np.arange(80) // 2
    found = ask(content, labels, groups=groups)
    folds = list(module._folds(labels, groups, CLASSES, 0))
    assert sorted(np.concatenate(folds)) == list(range(80))
    mine = labels == "a"
    won, pairs = 0.0, 0
    for test in folds:
        assert not set(groups[test]) & set(np.delete(groups, test))
        train = np.delete(np.arange(80), test)
        mean, std = content[train].mean(0), content[train].std(0)
        ridge = Ridge(12).fit((content[train] - mean) / std, mine[train])
        scores = ridge.predict((content[test] - mean) / std)
        assert found.presence[test, 0] == pytest.approx(scores, abs=2e-5)
        above = int(mine[test].sum())
        won += above * roc_auc_score(mine[test], scores)
        pairs += above
    assert found.estimates["a"].value == pytest.approx(won / pairs, abs=1e-3)


def test_random_labels_give_a_half_and_uniform_p():
    found = [e for i in range(60) for e in ask(*made(i), seed=i).estimates.values()]
    values, p = np.array([e.value for e in found]), np.array([e.p for e in found])
    # The standard error is 0.005.
    assert values.mean() == pytest.approx(0.5, abs=0.012)
    assert kstest(p, "uniform").pvalue > 0.01
    # DeLong's alone would hold it in 0.87.
    assert 0.91 < np.mean([e.low <= 0.5 <= e.high for e in found]) < 0.99


def test_a_cue_that_tells_is_found_and_only_for_its_class():
    found = ask(*made(1, shift=4.0)).estimates
    assert found["a"].value > 0.95
    assert found["a"].p < 1e-5  # far beyond 1 / permutations
    assert 0.7 < found["a"].low < found["a"].value <= found["a"].high
    assert all(found[name].p > 0.001 for name in "bcd")


def test_power():
    found = [ask(*made(i, shift=1.6), seed=i).estimates["a"].p for i in range(20)]
    assert np.mean(np.array(found) < 0.05) >= 0.8


def test_p_is_the_share_of_permutations_where_many_reach():
    null = np.sort(np.random.default_rng(0).normal(0.5, 0.05, 200))
    assert tail(null[-20], null) == 21 / 201
    # Of one more draw: what its prediction interval leaves out.
    far = (0.8 - null.mean()) / (null.std(ddof=1) * np.sqrt(201 / 200))
    assert tail(0.8, null) == pytest.approx(student(199).sf(far), rel=1e-6)


def test_few_permutations_do_not_call_chance_rare():
    rng = np.random.default_rng(0)
    found = [tail(float(rng.normal()), rng.normal(size=20)) for _ in range(20_000)]
    # By the normal tail it would be 4 times as many.
    assert np.mean(np.array(found) < 0.001) < 0.0016


def test_without_permutations_p_is_unknown():
    content, labels = made(3)
    null = np.array([0.4, 0.6])
    assert np.isnan(tail(0.6, null[:0]))
    assert np.isnan(ask(content, labels, permutations=0).estimates["a"].p)


def test_near_duplicates_do_not_give_the_class_away():
    # Five near-duplicates a class's photo: noise alone tells the class where they are split.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(24), 5)
    content = np.repeat(rng.normal(size=(24, 40)), 5, axis=0).astype(np.float32)
    content += rng.normal(0, 0.01, content.shape)
    labels = np.repeat(["a", "b"], 60)
    apart = ask(content, labels, groups=groups, classes=["a", "b"]).estimates["a"]
    split = ask(content, labels, classes=["a", "b"]).estimates["a"]
    assert split.value > 0.9
    assert apart.value < 0.75
    assert apart.p > 0.01


def test_permutations_move_whole_groups_within_their_fold():
    groups = np.array([0, 0, 1, 1, 2, 3, 4, 5, 5, 5])
    folds = [np.array([0, 1, 2, 3, 4, 5]), np.array([6, 7, 8, 9])]
    shuffled = shuffles(groups, folds, 200, np.random.default_rng(0))
    for row in shuffled:
        assert sorted(row[folds[0]]) == list(folds[0])
        assert sorted(map(set, (row[:2], row[2:4])), key=min) == [{0, 1}, {2, 3}]
        # Alone of their size: each keeps its own labels or takes the other's.
        own, other = row[6] == 6, set(row[7:]) == {6}
        assert (own and set(row[7:]) == {7, 8, 9}) or (other and row[6] in {7, 8, 9})
    assert len({tuple(row) for row in shuffled}) > 50
    assert 50 < (shuffled[:, 6] == 6).sum() < 150


def sites(seed, *, count, site_of_class, shift=0.0):
    """Photos of sites of 3 to 20, each with its own look; ``site_of_class``: one class a site."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), rng.integers(3, 21, count))
    share = np.arange(count) % 2 if site_of_class else rng.beta(1, 1, count)
    labels = np.where(rng.random(len(groups)) < share[groups], "a", "b")
    content = rng.normal(size=(len(groups), 6)) + rng.normal(0, 1, (count, 6))[groups]
    content[labels == "a", 0] += shift
    return content.astype(np.float32), labels, groups


@pytest.mark.parametrize("site_of_class", [False, True])
def test_p_is_rarely_small_where_only_sites_differ(site_of_class):
    p = []
    for i in range(80):
        content, labels, groups = sites(i, count=12, site_of_class=site_of_class)
        found = availability(content, labels, groups, classes=["a", "b"], permutations=60, seed=i)
        p.append(found.estimates["a"].p)
    assert np.mean(np.array(p) < 0.05) <= 0.085
    assert not np.isnan(p).any()


def test_a_cue_that_tells_in_every_site_is_found():
    content, labels, groups = sites(0, count=8, site_of_class=False, shift=4.0)
    found = ask(content, labels, groups=groups, classes=["a", "b"])
    assert found.estimates["a"].value > 0.9
    assert found.estimates["a"].p < 0.01
    assert found.groups == {name: len(set(groups[labels == name])) for name in "ab"}


def test_too_few_sites_tell_nothing_of_chance():
    groups = np.repeat(np.arange(4), [20, 15, 12, 9])
    labels = np.where(groups < 2, "a", "b")
    content = np.random.default_rng(0).normal(size=(56, 4)).astype(np.float32)
    content[groups < 2, 0] += 6
    for sites_of, count in ((groups, 2), (groups // 2, 1)):
        few = ask(content, labels, groups=sites_of, classes=["a", "b"])
        assert np.isnan(few.estimates["a"].value)  # in no fold are both classes
        assert few.groups == {"a": count, "b": count}


def test_p_is_not_below_one_in_the_number_of_arrangements():
    # 200 permutations of 50 arrangements: each is drawn 4 times.
    targets = np.repeat(np.random.default_rng(0).random((50, 30)) < 0.5, 4, axis=0)
    found = arranged(Estimate(0.9, 0.8, 0.95, 1e-9), targets)
    assert (found.low, found.p) == (0.8, pytest.approx(3 / 199))
    assert np.isnan(arranged(found, np.repeat(targets[::20], 20, axis=0)).p)


def test_too_few_photos_or_groups_are_unknown():
    content, labels = made(2)
    labels = labels.astype("U5")
    labels[:4] = "few"
    groups = np.arange(80)
    groups[labels == "b"] = 1000
    found = ask(content, labels, groups=groups, classes=[*CLASSES, "few", "none"])
    for name in ("few", "b", "none"):
        assert np.isnan(found.estimates[name].value), name
    assert np.isfinite(found.estimates["a"].value)
    alone = ask(content[:20], np.repeat(["a"], 20), classes=["a"])
    assert np.isnan(alone.estimates["a"].value)
    nothing = ask(np.full((8, 3), np.nan, np.float32), np.repeat(["a", "b"], 4), classes=["a", "b"])
    assert np.isnan(nothing.presence).all()


def test_rows_without_descriptors_are_left_out():
    content, labels = made(4, shift=3.0)
    holes = content.copy()
    holes[::7, 3] = np.nan
    keep = ~np.isnan(holes).any(1)
    found, expected = ask(holes, labels), ask(content[keep], labels[keep])
    assert np.isnan(found.presence[~keep]).all()
    assert found.estimates == expected.estimates
    assert found.presence[keep] == pytest.approx(expected.presence)


def test_descriptors_that_are_all_the_same_tell_nothing():
    labels = made(0)[1]
    found = ask(np.full((80, 3), 7.0, np.float32), labels).estimates["a"]
    assert found.value == 0.5
    assert found.p > 0.4


def test_seeded():
    content, labels = made(5, shift=0.8)
    assert ask(content, labels, seed=1).estimates == ask(content, labels, seed=1).estimates
    assert ask(content, labels, seed=1).estimates != ask(content, labels, seed=2).estimates


@pytest.mark.parametrize("most", [1, 4, 12, 13])
def test_wins_are_those_of_ranks(most):
    """Few positives are counted, many ranked: the same to the last bit, with ties and without."""
    rng = np.random.default_rng(most)
    for digits in (0, 1, 5):
        scores = rng.normal(size=(60, 300)).round(digits).astype(np.float32)
        positive = rng.permuted(np.arange(60)[:, None].repeat(300, 1), axis=0) < most
        positive[:, :5] = False  # of another fold
        positive[1:, 5:9] = False
        above = positive.sum(0)
        ranks = (rankdata(scores, axis=0) * positive).sum(0) - above * (above + 1) / 2
        assert np.array_equal(module._won(scores, positive, above), ranks)
        naive = [
            sum(
                (p > n) + (p == n) / 2
                for p in scores[positive[:, t], t]
                for n in scores[~positive[:, t], t]
            )
            for t in (0, 6, 20, 299)
        ]
        assert ranks[[0, 6, 20, 299]].tolist() == naive
