"""p-values of paired differences, and their adjustment for the number of tests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtr

from xai_audit.statistics.clusters import MIN_CLUSTERS, cluster_error, count, sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXACT = 16  # differences up to which all 2^16 sign patterns are listed
_FLIPS = 20_000
# With fewer clusters the sign patterns are too few for a p that survives a correction.
_MANY = 10
_DRAWN = 500_000  # float64 drawn at once: bounds the memory at some 10 MB


def flip_p(differences: NDArray[np.float64], *, seed: int) -> float:
    """The one-sided p-value of the sign-flip test that the mean of (n,) is not above 0.

    It is the share of sign patterns with a mean of at least the observed one: of all 2^n up to 16
    differences, for more (1 + hits) / (1 + flips) of 20,000 seeded ones; NaN for none. Sums
    equal but for rounding count as equal.

    Source: Fisher 1935, The Design of Experiments, section 21; Phipson and Smyth 2010 for the 1 +.
    The drawn one is ``scipy.stats.monte_carlo_test``. The same test,
    ``scipy.stats.permutation_test(permutation_type="samples")``, is the oracle of the tests and
    gives the same p, but lists every pattern in Python and shuffles indices: 209 ms instead of
    0.7 ms for 16 differences, 3.4 s instead of 0.2 s for 3,000.

    Args:
        differences: float64, finite.
        seed: of the flips.
    """
    count = len(differences)
    if not count:
        return math.nan
    values = np.asarray(differences, dtype=np.float64)
    if count <= _EXACT:
        return _exact(values)
    from scipy.stats import monte_carlo_test  # 0.7 s; planning imports this module

    rng = np.random.default_rng(seed)
    scale = float(np.abs(values).mean()) or 1.0

    def flipped(size: tuple[int, int]) -> NDArray[np.float64]:
        """Differences (B, n), each with a random sign."""
        return values * (2 * rng.integers(0, 2, size, dtype=np.int8) - 1)

    def statistic(sample: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        # SciPy's tolerance for ties is relative to the observed statistic, which may be 0: 1 is
        # added, so that it is relative to the size of the differences.
        shifted: NDArray[Any] = 1 + sample.mean(axis) / scale
        return shifted

    found = monte_carlo_test(
        values, flipped, statistic, vectorized=True, alternative="greater",
        n_resamples=_FLIPS, batch=max(1, _DRAWN // count),
    )  # fmt: skip
    return float(found.pvalue)


def _exact(values: NDArray[np.float64]) -> float:
    """The share of all 2^n sign patterns with a sum of at least that of ``values`` (n,)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return float((sums >= values.sum() - 1e-12 * np.abs(values).sum()).mean())


def cluster_p(differences: NDArray[np.float64], clusters: NDArray[np.int64], *, seed: int) -> float:
    """The one-sided p-value that the mean of (n,) is not above 0 where values share clusters.

    It is the larger of two: that of the sign-flip test in which the photos of a cluster are flipped
    together, and Student's by :func:`~xai_audit.statistics.clusters.cluster_error`, to which shared
    donors count as well. With fewer than 10 clusters of photos it is Student's alone; with fewer
    than 4 it is NaN.

    Source: Cameron, Gelbach and Miller 2008 (Review of Economics and Statistics 90, 414), for
    flipping whole clusters.

    Args:
        differences: float64, finite.
        clusters: (n, D) of the photo that is changed, then of each donor.
        seed: of the flips.
    """
    values = np.asarray(differences, dtype=np.float64)
    if count(clusters) < MIN_CLUSTERS:
        return math.nan
    error, freedom = cluster_error(values, clusters)
    if error <= 1e-12:  # equal up to rounding
        return flip_p(sums(values, clusters[:, 0]), seed=seed)
    students = float(stdtr(freedom, -float(values.mean()) / error))
    if count(clusters) < _MANY:
        return students
    return max(students, flip_p(sums(values, clusters[:, 0]), seed=seed))


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values (q), same shape: the smallest false discovery rate at which each is found.

    NaN stays NaN and does not count as a test. Source: Benjamini and Hochberg 1995. The numbers are
    those of ``scipy.stats.false_discovery_control``: importing ``scipy.stats`` takes 0.7 s, more
    than all else that a changed threshold computes.
    """
    q = np.full(np.shape(p), np.nan)
    known = np.isfinite(p)
    tests = np.asarray(p, dtype=np.float64)[known]
    order = np.argsort(tests)
    scaled = tests[order] * (len(tests) / np.arange(1, len(tests) + 1))
    adjusted = np.empty(len(tests))
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(0, 1)
    q[known] = adjusted
    return q
