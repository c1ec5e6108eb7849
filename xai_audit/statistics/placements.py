"""Ranks: the area under the ROC curve by DeLong's placements, and Spearman's correlation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit, ndtri

from xai_audit.statistics.intervals import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray


def placements(
    scores: NDArray[Any], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each positive's share of negatives below it, and each negative's of positives above it.

    Ties count half; both are empty where one side is. The mean of either is the AUROC (V10 and V01
    of DeLong et al. 1988, Biometrics 44, 837, by midranks).

    Args:
        scores: (n,) finite.
        positive: (n,).
    """
    positive = np.asarray(positive, dtype=bool)
    above, below = int(positive.sum()), int((~positive).sum())
    if not above or not below:
        return np.empty(0), np.empty(0)
    from scipy.stats import rankdata  # slow to import, and few commands need it

    ranks = rankdata(scores)
    over = (ranks[positive] - rankdata(scores[positive])) / below
    under = 1 - (ranks[~positive] - rankdata(scores[~positive])) / above
    return over, under


def placement_interval(
    over: NDArray[np.float64], under: NDArray[np.float64], *, wider: float = 1.0
) -> tuple[float, float]:
    """The 95 % interval, on the logit scale, of the AUROC that is the mean of ``over``.

    NaN with fewer than 2 on either side. Where nothing overlaps the variance is 0 and the logit
    infinite: then the far end is that of a binomial without failures in as many trials as the
    smaller side has members. Source: DeLong et al. 1988, Biometrics 44, 837.

    Args:
        over: (p,) of the positives; see :func:`placements`.
        under: (q,) of the negatives.
        wider: factor on the standard error.
    """
    fewer = min(len(over), len(under))
    if fewer < 2:
        return math.nan, math.nan
    area = float(over.mean())
    error = math.sqrt(over.var(ddof=1) / len(over) + under.var(ddof=1) / len(under))
    error *= wider
    if min(area, 1 - area) < 1e-12:
        edge = float(((1 - LEVEL) / 2) ** (1 / fewer))
        return (edge, 1.0) if area > 0.5 else (0.0, 1 - edge)
    half = float(ndtri((1 + LEVEL) / 2)) * error / (area * (1 - area))
    centre = float(logit(area))
    return float(expit(centre - half)), float(expit(centre + half))


def rank_correlations(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Spearman's rank correlation (N,) of rows of ranks (N, cells); NaN where a row is flat.

    Pearson's correlation of the ranks, which with averaged ties is Spearman's.
    """
    middle = (first.shape[1] + 1) / 2
    one, other = (np.asarray(ranks, np.float64) - middle for ranks in (first, second))
    spread = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    # A flat map's ranks are all the middle: 0/0.
    whole = np.where(spread > 0, spread, np.nan)
    found: NDArray[np.float64] = np.clip((one * other).sum(1) / whole, -1, 1)
    return found
