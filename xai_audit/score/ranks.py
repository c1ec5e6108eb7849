"""Spearman's rank correlation of many pairs of maps at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
