"""The error of a mean of values that are not independent: of one site, or of one donor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# With fewer clusters the spread between them is a guess; the simulated coverage is in the tests.
MIN_CLUSTERS = 4


def count(clusters: NDArray[np.int64]) -> int:
    """The number of clusters of the photos that are changed, the first column of (n, D)."""
    return len(np.unique(clusters[:, 0]))


def sums(values: NDArray[np.float64], cluster: NDArray[Any]) -> NDArray[np.float64]:
    """The sum of values (n,) over each cluster (G,), in the order of the clusters' numbers."""
    _, place = np.unique(cluster, return_inverse=True)
    return np.asarray(np.bincount(place.ravel(), weights=values), dtype=np.float64)


def cluster_error(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> tuple[float, float]:
    """The standard error of the mean of values (n,), and its degrees of freedom.

    It is the multi-way cluster-robust one of Cameron, Gelbach and Miller 2011 (J. Business &
    Economic Statistics 29, 238, equation 2.8): the variance by the clusters of the photos and, for
    each kind of donor, the variance by its clusters less that by both at once, where that is above
    0. Each has the factor g / (g - 1) for g clusters; the degrees of freedom are Satterthwaite's
    (1946), each part having g - 1. Where clusters differ in size, g is the effective number
    n² / sum(n_c²), since one site of 60 photos and six of 2 tell hardly more than one site (Carter,
    Schnepel and Steigerwald 2017, Review of Economics and Statistics 99, 698).

    Args:
        values: float64, finite.
        clusters: (n, D), of the photo that is changed, then of each donor. Donors of one single
            cluster are taken as given: how others would differ from them is not in the data.
    """
    centred = values - values.mean()
    own = clusters[:, 0]
    total, freedom = _variance(centred, own)
    parts = [(total, freedom)]
    for donor in clusters.T[1:]:
        _, both = np.unique(np.stack([own, donor]), axis=1, return_inverse=True)
        of_donor, of_both = _variance(centred, donor), _variance(centred, both)
        if of_donor[0] > of_both[0]:
            total += of_donor[0] - of_both[0]
            parts += [of_donor, of_both]
    if total <= 0:
        return 0.0, freedom
    return math.sqrt(total), total**2 / sum(part**2 / free for part, free in parts if part > 0)


def _variance(centred: NDArray[np.float64], cluster: NDArray[Any]) -> tuple[float, float]:
    """The variance of the mean by one kind of cluster, and its degrees of freedom."""
    sizes = sums(np.ones(len(centred)), cluster)
    effective = len(centred) ** 2 / float((sizes**2).sum())
    if len(sizes) < 2:
        return 0.0, 0.0
    total = float((sums(centred, cluster) ** 2).sum())
    return total / len(centred) ** 2 * effective / (effective - 1), effective - 1
