"""Whose photos give a cue: classes in which it is ordinary, and its own that show it best.

The counterpart of a class are the classes of which the cue tells clearly less than of the class
itself, by the cue-only classifier, or least of all. Otherwise the rival of a class with a planted
mark, which is known by the mark's absence, would be called reliant on it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_DONOR_CLASSES = 4
_CHANCE = 0.5
# AUROCs nearer than this are of two sides of one mark: who has it and who lacks it is not known.
_CLEARLY = 0.1


def ordinary(name: str, others: Sequence[str], distinct: Mapping[str, float]) -> list[str]:
    """The half of the other classes of which the cue tells least, and all it tells clearly less of.

    Args:
        name: the class asked about.
        others: the other classes.
        distinct: class -> AUROC of the cue alone; NaN or absent is taken for chance.
    """
    told = {one: distinct.get(one, math.nan) for one in (name, *others)}
    known = {one: _CHANCE if math.isnan(value) else value for one, value in told.items()}
    ranked = sorted(others, key=lambda one: (known[one], one))
    least = (len(ranked) + 1) // 2
    less = [one for one in ranked[least:] if known[one] <= known[name] - _CLEARLY]
    return ranked[:least] + less


def least_alike(
    pools: Mapping[str, Sequence[int]], among: Sequence[str], presence: NDArray[np.float64]
) -> list[str]:
    """The four classes whose cue looks least like that of the class asked about.

    Args:
        pools: class -> places of its usable photos.
        among: the classes to choose from.
        presence: (n,) how much each photo's cue looks like that class's; NaN unknown.
    """
    alike = {}
    for other in among:
        scores = presence[list(pools[other])]
        known = scores[~np.isnan(scores)]
        alike[other] = float(known.mean()) if len(known) else 0.0
    return sorted(among, key=lambda other: (alike[other], other))[:_DONOR_CLASSES]


def typical(pool: Sequence[int], presence: NDArray[np.float64]) -> list[int]:
    """The half of a class's photos, at least 2, that show most what the cue is there, in order.

    All of them where that is unknown of each. Of the others any photo may give: the most unlike
    would be another extreme, which a model may fail on without leaning on the cue.

    Args:
        pool: the class's photos.
        presence: (n,) how much each photo's cue looks like the class's; NaN unknown.
    """
    shown = np.nan_to_num(presence, nan=-np.inf)
    if np.isinf(shown[list(pool)]).all():
        return list(pool)
    ranked = sorted(pool, key=lambda place: -shown[place])
    kept = set(ranked[: max((len(pool) + 1) // 2, 2)])
    return [place for place in pool if place in kept]
