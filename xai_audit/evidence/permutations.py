"""Permutations of the labels over photos and groups, and what they tell of chance."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xai_audit.statistics.estimate import Estimate

_FEWEST = 20  # arrangements of labels over groups: of fewer, none has a share below 0.05
# With at least this many permutations above the observed AUROC, p is their share.
_HITS = 10


def shuffles(
    group: NDArray[np.int64],
    folds: Sequence[NDArray[np.int64]],
    permutations: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """The row (permutations, n) from which each row takes its label.

    Groups move among those of equal size in their fold, and so do labels within a group. A group
    that is alone of its size there (a site) takes the labels of another such group of any fold:
    repeated where the other has fewer photos, some of them where it has more.
    """
    shuffled = np.tile(np.arange(len(group)), (permutations, 1))
    alone: list[NDArray[np.int64]] = []
    for test in folds:
        members: dict[int, list[NDArray[np.int64]]] = {}
        order = test[np.argsort(group[test], kind="stable")]
        for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            members.setdefault(len(rows), []).append(rows)
        for same_size in members.values():
            block = np.stack(same_size)
            alone += same_size if len(same_size) == 1 else []
            for permutation in shuffled:
                moved = block[rng.permutation(len(block))]
                permutation[block] = rng.permuted(moved, axis=1) if block.shape[1] > 1 else moved
    for permutation in shuffled if len(alone) > 1 else ():
        for rows, place in zip(alone, rng.permutation(len(alone)), strict=True):
            permutation[rows] = np.resize(rng.permutation(alone[place]), len(rows))
    return shuffled


def tail(area: float, null: NDArray[np.float64]) -> float:
    """The probability that chance reaches ``area``, from the AUROCs ``null`` of permutations."""
    known = null[np.isfinite(null)]
    if len(known) < 2:
        return math.nan
    hits = int((known >= area - 1e-12).sum())
    spread = float(known.std(ddof=1))
    if hits >= _HITS or spread <= 0:
        return (1 + hits) / (1 + len(known))
    # A prediction interval: one more draw, with the spread itself estimated from the others.
    far = (area - float(known.mean())) / (spread * math.sqrt(1 + 1 / len(known)))
    return float(student.sf(far, len(known) - 1))


def arranged(estimate: Estimate, targets: NDArray[np.bool_]) -> Estimate:
    """The estimate of a class, with what so few arrangements of labels over groups can tell.

    Their number N is that of all pairs of permutations over those that are equal: P draws from N
    have P (P - 1) / 2N equal pairs on average. p cannot be less than 1 / N, and where even that is
    above 0.05 nothing is known of chance: then p and the interval, which permutations widen, are
    NaN.

    Args:
        estimate: from the permutations.
        targets: (P, n) whether each photo is of the class under each permutation.
    """
    _, repeats = np.unique(np.packbits(targets, axis=1), axis=0, return_counts=True)
    equal = int((repeats * (repeats - 1)).sum())
    drawn = len(targets) * (len(targets) - 1)
    if drawn < _FEWEST * equal:
        return replace(estimate, low=math.nan, high=math.nan, p=math.nan)
    return replace(estimate, p=max(estimate.p, equal / drawn)) if drawn else estimate
