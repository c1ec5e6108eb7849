"""Availability: how well each class is predicted from a cue's content alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from xai_audit.evidence.donors import MIN_PHOTOS
from xai_audit.evidence.permutations import arranged, shuffles, tail
from xai_audit.statistics.estimate import UNKNOWN, Estimate
from xai_audit.statistics.placements import placement_interval, placements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FOLDS = 5
_MIN_GROUPS = 2
_NUMBERS = 16_000_000  # photos x targets of one fit; bounds its memory
# Positives of a fold that are counted one by one, and columns at a time, to stay in the cache.
_FEW, _COLUMNS = 12, 256
# Bound on classes x permutations: with more than a hundred classes there are fewer permutations.
_MOST_TARGETS, _LEAST_PERMUTATIONS = 20_000, 20


@dataclass(frozen=True)
class Availability:
    """How well a cue alone predicts each class.

    Attributes:
        estimates: class -> AUROC of the class against the rest; p is that of an AUROC above chance.
        presence: (n, K) float32 cross-validated scores, columns in the order of the classes; NaN
            where the photo's descriptors are unknown.
        groups: class -> how many groups its usable photos are of.
    """

    estimates: dict[str, Estimate]
    presence: NDArray[np.float32]
    groups: dict[str, int]


def availability(
    descriptors: NDArray[np.float32],
    classes_of: NDArray[np.str_],
    groups: NDArray[np.int64],
    *,
    classes: Sequence[str],
    permutations: int,
    seed: int,
) -> Availability:
    """The cross-validated AUROC of each class against the rest, from ``descriptors`` alone.

    It is a ridge regression with one target per class, in five folds; photos of one group
    (near-duplicates, a patient, a site) are in the same fold. A positive is compared with the
    negatives of its own fold, since pooling scores over folds biases the AUROC of random labels
    below 0.5. The interval is DeLong's on the logit scale, widened by the extra variance of
    permuted labels, which the fitting and the groups cause.
    p: labels are permuted, whole groups among groups of equal size in the same fold, and every
    permutation is one more target of the same regression: the exchangeable unit is the group
    (Winkler et al. 2015, NeuroImage 123, 253). What too few groups can tell is in
    :func:`~xai_audit.evidence.permutations.arranged`. Where fewer than 10 permutations reach the
    AUROC, p is the tail of Student's t at its distance from their mean (a Mann-Whitney statistic
    is asymptotically normal), so that it can survive a correction for hundreds of cells.

    Args:
        descriptors: (n, D); rows that are not finite are left out.
        classes_of: (n,) class of each photo.
        groups: (n,) photos of one number stay in one fold.
        classes: K names; one with < 5 usable photos or < 2 groups of them is unknown.
        permutations: of the labels; of very many classes at least 20.
        seed: of folds and permutations.
    """
    presence = np.full((len(descriptors), len(classes)), np.nan, np.float32)
    estimates = dict.fromkeys(classes, UNKNOWN)
    usable = np.isfinite(descriptors).all(1)
    labels, group = np.asarray(classes_of)[usable], np.asarray(groups)[usable]
    counts = {name: len(np.unique(group[labels == name])) for name in classes}
    measured = [name for name in classes if _enough(labels == name, group)]
    if not measured or all((labels == name).all() for name in measured):
        return Availability(estimates, presence, counts)
    folds = _folds(labels, group, measured, seed)
    most = max(_MOST_TARGETS // len(measured), _LEAST_PERMUTATIONS)
    shuffled = shuffles(group, folds, min(permutations, most), np.random.default_rng(seed))
    content = np.asarray(descriptors)[usable].astype(np.float64)
    scores = _scores(content, labels[:, None] == np.array(list(classes)), folds)
    null = _null(content, labels[:, None] == np.array(measured), folds, shuffled)
    presence[usable] = scores
    for name, chance in zip(measured, null.T, strict=True):
        own = scores[:, classes.index(name)]
        found = _estimate(own, labels == name, folds, chance)
        if len(np.unique(group)) < len(group):
            found = arranged(found, (labels == name)[shuffled])
        estimates[name] = found
    return Availability(estimates, presence, counts)


def _enough(mine: NDArray[np.bool_], group: NDArray[np.int64]) -> bool:
    return int(mine.sum()) >= MIN_PHOTOS and len(np.unique(group[mine])) >= _MIN_GROUPS


def _folds(
    labels: NDArray[np.str_], group: NDArray[np.int64], measured: Sequence[str], seed: int
) -> tuple[NDArray[np.int64], ...]:
    """The test rows of each fold; classes that are not ``measured`` are stratified as one."""
    number = {name: place for place, name in enumerate(measured)}
    strata = np.array([number.get(name, -1) for name in labels.tolist()], np.int64)
    strata[strata < 0] = 0 if (strata < 0).sum() < _FOLDS else len(measured)
    count = min(_FOLDS, len(np.unique(group)))
    return _split(strata.tobytes(), group.astype(np.int64).tobytes(), count, seed)


@lru_cache(maxsize=4)
def _split(strata: bytes, group: bytes, count: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """The folds that are not empty: of most cues the same, and photos by classes to draw."""
    strata_of, group_of = (np.frombuffer(each, np.int64) for each in (strata, group))
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    folds = splitter.split(strata_of, strata_of, group_of)
    return tuple(test for _, test in folds if len(test))


def _null(
    content: NDArray[np.float64],
    targets: NDArray[np.bool_],
    folds: Sequence[NDArray[np.int64]],
    shuffled: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The AUROC of each target (n, T) under each permutation (P, n) of the rows: (P, T)."""
    count = targets.shape[1]
    null = np.empty((len(shuffled), count))
    step = max(1, _NUMBERS // max(count * len(content), 1))
    for start in range(0, len(shuffled), step):
        some = targets[shuffled[start : start + step]].transpose(1, 0, 2)
        flat = np.ascontiguousarray(some.reshape(len(content), -1))
        areas = _areas(_scores(content, flat, folds), flat, folds)
        null[start : start + step] = areas.reshape(-1, count)
    return null


def _scores(
    content: NDArray[np.float64], targets: NDArray[np.bool_], folds: Sequence[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """Out-of-fold scores (n, T) of targets (n, T)."""
    scores = np.empty(targets.shape, np.float32)
    wanted = targets.astype(np.float32)
    for test in folds:
        train = np.ones(len(content), dtype=bool)
        train[test] = False
        scale = StandardScaler().fit(content[train])
        # The penalty grows with the features, so that it matters less the more photos there are.
        ridge = Ridge(alpha=content.shape[1], solver="cholesky", copy_X=False)
        ridge.fit(scale.transform(content[train]).astype(np.float32), wanted[train])
        found = ridge.predict(scale.transform(content[test]).astype(np.float32))
        # Without rounding, numerical noise would rank photos with equal descriptors.
        scores[test] = np.round(found, 5).reshape(len(test), -1)
    return scores


def _areas(
    scores: NDArray[np.float32], targets: NDArray[np.bool_], folds: Sequence[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """The AUROC (T,) of each column, positives against negatives of their own fold."""
    total, weight = np.zeros(scores.shape[1]), np.zeros(scores.shape[1])
    for test in folds:
        positive = targets[test]
        above = positive.sum(0)
        below = len(test) - above
        won = _won(scores[test], positive, above)
        both = (above > 0) & (below > 0)
        total += np.where(both, won / np.maximum(below, 1), 0)
        weight += np.where(both, above, 0)
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


def _won(
    scores: NDArray[np.float32], positive: NDArray[np.bool_], above: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How many negatives the positives of each column exceed (T,); of equal ones half.

    Few positives are counted one by one, which is exact as well and spares sorting all scores.
    """
    if above.max(initial=0) > _FEW:
        ranks: NDArray[np.float64] = (rankdata(scores, axis=0) * positive).sum(0)
        return ranks - above * (above + 1) / 2
    columns, rows = np.nonzero(positive.T)
    number = np.arange(len(columns)) - (np.cumsum(above) - above)[columns]
    own = np.full((above.max(initial=0), len(above)), -np.inf, np.float32)
    own[number, columns] = scores[rows, columns]
    won = np.empty(len(above))
    for start in range(0, len(above), _COLUMNS):
        some = slice(start, start + _COLUMNS)
        mine = scores[:, some]
        won[some] = sum((mine < one).sum(0) + (mine <= one).sum(0) for one in own[:, some])
    # Of two positives one exceeds the other, or each does by half; and each equals itself.
    return (won - above**2) / 2


def _estimate(
    scores: NDArray[np.float32],
    positive: NDArray[np.bool_],
    folds: Sequence[NDArray[np.int64]],
    null: NDArray[np.float64],
) -> Estimate:
    """AUROC, interval and p of one class."""
    parts = [placements(scores[test], positive[test]) for test in folds]
    over, under = (np.concatenate(side) for side in zip(*parts, strict=True))
    if not len(over):
        return UNKNOWN
    area = float(over.mean())
    interval = placement_interval(over, under, wider=_surplus(positive, folds, null))
    return Estimate(area, *interval, tail(area, null))


def _surplus(
    positive: NDArray[np.bool_], folds: Sequence[NDArray[np.int64]], null: NDArray[np.float64]
) -> float:
    """The factor (>= 1) by which the AUROC varies more than a Mann-Whitney statistic would.

    It is measured on permuted labels. Fitting adds this variance, since each fold's scores come
    from a regression on the other folds' photos.
    """
    known = null[np.isfinite(null)]
    if len(known) < 2:
        return 1.0
    variance, total = 0.0, 0
    for test in folds:
        above = int(positive[test].sum())
        below = len(test) - above
        if above and below:
            variance += above * (len(test) + 1) / (12 * below)
            total += above
    return max(1.0, float(known.std(ddof=1)) * total / math.sqrt(variance))
