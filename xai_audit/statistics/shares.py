"""95 % intervals of shares, without SciPy, whose import takes longer than a command that reads."""

from __future__ import annotations

import math
from statistics import NormalDist

_QUANTILE = NormalDist().inv_cdf(0.975)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's interval (1927, JASA 22, 209) of a share of ``count`` trials; NaN of none.

    Where trials have values between 0 and 1, as means have, it is wider than it need be: their
    variance is at most that of ones and zeros with the same mean.

    Args:
        share: 0..1.
        count: of independent trials.
    """
    if not count:
        return math.nan, math.nan
    shrink = 1 + _QUANTILE**2 / count
    middle = (share + _QUANTILE**2 / (2 * count)) / shrink
    reach = (
        _QUANTILE * math.sqrt(share * (1 - share) / count + _QUANTILE**2 / (4 * count**2)) / shrink
    )
    return max(0.0, middle - reach), min(1.0, middle + reach)
