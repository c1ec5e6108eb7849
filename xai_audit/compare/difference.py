"""How far an effect differs between two runs, with the intervals that effects have themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

from xai_audit.evidence.shared import shared_clusters
from xai_audit.statistics.clusters import MIN_CLUSTERS, cluster_error, count
from xai_audit.statistics.intervals import difference_interval
from xai_audit.statistics.p_values import cluster_p

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    Clusters = NDArray[np.int64]

PAIRS, IMAGES, UNPAIRED = "pairs", "images", "unpaired"
# With fewer shared ones an effect is compared unpaired, of all that each run has.
MIN_SHARED = 6
PHOTOS = ("image_id", "donor_with", "donor_without")


@dataclass(frozen=True)
class Difference:
    """A run's mean less the reference's, its 95 % interval and two-sided p; NaN is undefined.

    Attributes:
        value: the difference.
        low: of its interval.
        high: of its interval.
        p: that the two means are equal.
        compared: ``pairs``, ``images`` or ``unpaired``; None where nothing is compared.
        count: what was compared: pairs, or photos; 0 of what is not paired.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    compared: str | None = None
    count: int = 0


def of_effects(
    reference: pd.DataFrame, run: pd.DataFrame, clusters: Mapping[str, int], *, seed: int
) -> Difference:
    """The difference of the mean effects of two runs' pairs of one cell and question.

    Pair by pair where both runs measured at least 6 pairs of the same three photos; photo by photo
    where they share at least 6 photos, and twice as many as pairs, that got other donors; else all
    pairs of the one against all of the other, unpaired, of at least 4 clusters each.

    Args:
        reference: ``image_id``, ``donor_with``, ``donor_without`` and the finite ``effect``.
        run: the same of the other run.
        clusters: image id -> number of its cluster, of every photo and donor.
        seed: of the sign flips.
    """
    pairs = reference.merge(run, on=[*PHOTOS], suffixes=("_reference", ""))
    first = (one.drop_duplicates("image_id") for one in (reference, run))
    images = next(first).merge(next(first), on="image_id", suffixes=("_reference", ""))
    by_pairs, by_images = len(pairs) >= MIN_SHARED, len(images) >= MIN_SHARED
    if by_pairs and not (by_images and len(images) >= 2 * len(pairs)):
        own = shared_clusters(_photos(pairs), clusters)
        return of_pairs(_change(pairs), own, PAIRS, seed=seed)
    if by_images:
        before = shared_clusters(_photos(images, "_reference"), clusters)
        after = shared_clusters(_photos(images), clusters)
        both = None if before is None and after is None else _beside(before, after)
        return of_pairs(_change(images), both, IMAGES, seed=seed)
    ends = [
        (one["effect"].to_numpy(np.float64), shared_clusters(_photos(one), clusters))
        for one in (reference, run)
    ]
    return unpaired(*ends[0], *ends[1])


def of_pairs(
    change: NDArray[np.float64], clusters: Clusters | None, compared: str, *, seed: int
) -> Difference:
    """The mean of differences (n,), with the interval and p of the product's paired effects.

    The p-value is twice that of :func:`~xai_audit.statistics.p_values.cluster_p` in the direction
    of the mean, at most 1; of fewer than 10 photos it is Student's, since sign patterns are then
    too few for a p that survives a correction for many cells.

    Args:
        change: float64, finite.
        clusters: (n, D) as :func:`~xai_audit.evidence.shared.shared_clusters` gives them.
        compared: what the differences are of.
        seed: of the sign flips.
    """
    if not len(change):
        return Difference()
    own = np.arange(len(change))[:, None] if clusters is None else clusters
    value = float(change.mean())
    towards = cluster_p(change if value >= 0 else -change, own, seed=seed)
    low, high = difference_interval(change, clusters)
    p = towards if math.isnan(towards) else min(1.0, 2 * towards)
    return Difference(value, low, high, p, compared, len(change))


def unpaired(
    reference: NDArray[np.float64],
    reference_clusters: Clusters | None,
    run: NDArray[np.float64],
    run_clusters: Clusters | None,
) -> Difference:
    """The difference of the means of two samples (n,) and (m,) of values in -1..1.

    Its interval is made of the two means' own (Zou and Donner 2008, Statistics in Medicine 27,
    1693, equation 5), p is that of Welch's test (1947) with cluster-robust errors. Photos that both
    samples have make both too wide, never too narrow. NaN with < 4 clusters in either.
    """
    samples = [(reference, reference_clusters), (run, run_clusters)]
    known = [(v, np.arange(len(v))[:, None] if c is None else c) for v, c in samples]
    if min(count(c) if len(v) else 0 for v, c in known) < MIN_CLUSTERS:
        return Difference()
    before, after = (float(v.mean()) for v, _ in known)
    ends = [difference_interval(*one) for one in samples]
    (low_before, high_before), (low_after, high_after) = ends
    value = after - before
    low = value - math.hypot(after - low_after, high_before - before)
    high = value + math.hypot(high_after - after, before - low_before)
    return Difference(value, low, high, _welch(value, known), UNPAIRED)


def _welch(value: float, samples: list[tuple[NDArray[np.float64], Clusters]]) -> float:
    """The two-sided p of a difference of two means.

    Where neither sample varies it is that of the exact permutation test of their clusters.
    """
    errors = [cluster_error(*one) for one in samples]
    variance = sum(error**2 for error, _ in errors)
    if variance <= 1e-24:  # equal up to rounding
        first, second = (count(clusters) for _, clusters in samples)
        return 1.0 if abs(value) <= 1e-12 else 2 / math.comb(first + second, first)
    freedom = variance**2 / sum(error**4 / free for error, free in errors if error > 0)
    return 2 * float(stdtr(freedom, -abs(value) / math.sqrt(variance)))


def _change(rows: pd.DataFrame) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (rows["effect"] - rows["effect_reference"]).to_numpy(np.float64)
    return found


def _photos(rows: pd.DataFrame, suffix: str = "") -> list[tuple[str, str, str]]:
    """The photo and the donors of each row; those of pairs that both have go by one name."""
    names = ["image_id", *(n + suffix if n + suffix in rows else n for n in PHOTOS[1:])]
    return [*rows[names].itertuples(index=False, name=None)]


def _beside(before: Clusters | None, after: Clusters | None) -> Clusters:
    """The photo's cluster and the donors' of both runs, (n, 3) or (n, 5)."""
    known = [one for one in (before, after) if one is not None]
    return np.hstack([known[0], *(one[:, 1:] for one in known[1:])])
