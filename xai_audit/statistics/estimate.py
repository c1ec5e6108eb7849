"""A mean of paired differences with its interval and its p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.statistics.intervals import difference_interval
from xai_audit.statistics.p_values import cluster_p, flip_p

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and one-sided p-value; NaN is undefined."""

    value: float
    low: float
    high: float
    p: float


UNKNOWN = Estimate(math.nan, math.nan, math.nan, math.nan)


def paired(
    differences: NDArray[np.float64],
    *,
    seed: int,
    clusters: NDArray[np.int64] | None = None,
    interval: Callable[..., tuple[float, float]] = difference_interval,
) -> Estimate:
    """The mean of differences (n,) in -1..1 with its interval, and p of a mean not above 0.

    Where p is not needed, :func:`~xai_audit.statistics.intervals.difference_interval` alone costs
    a fraction of the time.

    Args:
        differences: float64, finite; none gives ``UNKNOWN``.
        seed: of the sign flips.
        clusters: (n, D) of the photo that is changed, then of each donor; None where each photo is
            a cluster of its own. With < 4 clusters of photos only the mean is known.
        interval: of the mean, called with differences and clusters.
    """
    if not len(differences):
        return UNKNOWN
    low, high = interval(differences, clusters)
    if clusters is None:
        p = flip_p(differences, seed=seed)
    else:
        p = cluster_p(differences, clusters, seed=seed)
    return Estimate(float(differences.mean()), low, high, p)
