from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from xai_audit.evidence.attention import attention
from xai_audit.statistics.estimate import paired

CLASSES = ["a", "b", "c"]


def made(seed, *, each=12, extra=0.0, classes=CLASSES):
    """Share maps (n, 5, 6), regions that differ a little by image, areas and labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(classes, each)
    maps = rng.gamma(2.0, size=(len(labels), 5, 6))
    maps[labels == "a", 0] += extra
    shares = (maps / maps.sum((1, 2), keepdims=True)).astype(np.float32)
    regions = np.zeros_like(shares)
    regions[:, 0] = rng.uniform(0.6, 1, (len(labels), 1))
    return shares, regions, regions.mean((1, 2)), labels


def ask(shares, regions, areas, labels, classes=CLASSES):
    return attention(shares, regions, areas, labels, classes=classes, seed=0)


def test_excess_is_mass_minus_what_the_other_classes_maps_give():
    shares, regions, areas, labels = made(0, extra=1.0)
    labels[12:16] = "c"  # classes of unequal size weigh alike
    found = ask(shares, regions, areas, labels)["a"]
    excess, masses = [], []
    for i in range(12):
        expected = 0.0
        for other in ("b", "c"):
            rows = [j for j in range(36) if labels[j] == other]
            expected += sum((shares[j] * regions[i]).sum(dtype=float) for j in rows) / len(rows) / 2
        masses.append((shares[i] * regions[i]).sum(dtype=float))
        excess.append(masses[-1] - expected)
    assert found.mass == pytest.approx(np.mean(masses), rel=1e-5)
    assert found.area == pytest.approx(np.mean(areas[:12]), rel=1e-5)
    assert found.estimate.value == pytest.approx(np.mean(excess), rel=1e-4)
    # At least as wide as if the other classes' mean were known.
    plain = paired(np.array(excess), seed=0)
    assert found.estimate.low < plain.low < plain.high < found.estimate.high


@pytest.mark.parametrize("classes", [["a", "b"], CLASSES])
def test_p_is_uniform_where_all_classes_look_alike(classes):
    found = [ask(*made(i, classes=classes), classes=classes)["a"].estimate for i in range(400)]
    p = np.array([e.p for e in found])
    # Without the uncertainty of the other class 0.12 of p would be below 0.05.
    assert np.mean(p < 0.05) < 0.085
    assert kstest(p, "uniform").pvalue > 0.01
    assert 0.92 <= np.mean([e.low <= 0 <= e.high for e in found]) <= 0.99


def test_extra_relevance_is_found():
    found = ask(*made(1, extra=1.0))
    assert found["a"].estimate.p < 0.001
    assert found["a"].estimate.low > 0
    assert found["b"].estimate.value < 0
    assert found["b"].estimate.p > 0.5


def test_undefined_maps_and_unknown_regions_are_left_out():
    shares, regions, areas, labels = made(2, extra=0.5)
    holes, hidden = shares.copy(), regions.copy()
    holes[[0, 14]] = np.nan
    hidden[1] = np.nan
    found = ask(holes, hidden, areas, labels)
    keep = np.delete(np.arange(36), [0, 14])
    rest = regions[keep].copy()
    rest[0] = np.nan
    expected = ask(shares[keep], rest, areas[keep], labels[keep])
    assert found == expected
    assert np.isfinite(found["a"].estimate.value)
    # A map without a region still counts towards what the other classes expect.
    assert found["b"] == ask(holes, regions, areas, labels)["b"]


def test_few_images_or_no_other_class_are_unknown():
    shares, regions, areas, labels = made(3)
    regions[:8] = np.nan
    found = ask(shares, regions, areas, labels)["a"]
    assert np.isnan(found.estimate.value)
    assert np.isfinite(found.mass)
    regions[:12] = np.nan
    assert np.isnan(ask(shares, regions, areas, labels)["a"].area)
    alone = ask(*(part[12:24] for part in made(3)), classes=["b"])
    assert np.isnan(alone["b"].estimate.value)
    assert np.isnan(ask(*made(3), classes=["a", "z"])["z"].mass)
