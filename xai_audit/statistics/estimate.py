"""A mean of paired differences with its interval and its p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.statistics.intervals import difference_interval
from xai_audit.statistics.p_values import flip_p

if TYPE_CHECKING:
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


def paired(differences: NDArray[np.float64], *, seed: int) -> Estimate:
    """The mean of differences (n,) in -1..1 with its interval, and p of a mean not above 0.

    Where p is not needed, :func:`~xai_audit.statistics.intervals.difference_interval` alone costs
    a fraction of the time.

    Args:
        differences: float64, finite; none gives ``UNKNOWN``.
        seed: of the sign flips.
    """
    if not len(differences):
        return UNKNOWN
    low, high = difference_interval(differences)
    return Estimate(float(differences.mean()), low, high, flip_p(differences, seed=seed))
