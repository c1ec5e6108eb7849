"""Describing a cluster of heatmaps: its region, its kind, its most typical maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai_audit.schema import BANDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

OBJECT, BACKGROUND, MIXED = "object", "background", "mixed"

# Share of what is covered that the region's cells hold.
_COVERED = 0.5
# Below this share of the relevance, a cluster's difference from other classes is noise.
_LEAST_EXCESS = 0.1
_LEAST_HALF = 0.5
_LEAST_LIFT = 1.5
_LEAST_ON_BAND = 0.25


def region_of(mean: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The cells (h, w), 0 or 1, with more relevance in a cluster than in other classes.

    They are the fewest cells that hold half of the cluster's excess over the other classes' mean
    map. Where the excess is under a tenth of its relevance, the cluster looks where other classes
    look, and the region is the fewest cells that hold half of its mean map.

    Args:
        mean: (h, w) mean shares of the cluster, sum 1.
        others: (h, w) mean shares of all other classes' heatmaps, sum 1.
    """
    excess = np.asarray(mean, np.float64) - others
    excess = excess.clip(min=0)
    if excess.sum() < _LEAST_EXCESS:
        excess = np.asarray(mean, np.float64)
    return _fewest(excess)


def _fewest(weight: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The fewest cells that hold ``_COVERED`` of ``weight``; ties go to the first in row order."""
    order = np.argsort(-weight, axis=None, kind="stable")
    held = np.cumsum(weight.ravel()[order])
    count = 1 + int(np.searchsorted(held, _COVERED * held[-1] * (1 - 1e-9)))
    cells = np.zeros(weight.size, np.uint8)
    cells[order[:count]] = 1
    return cells.reshape(weight.shape)


def kind_of(mass: Mapping[str, float], area: Mapping[str, float]) -> str:
    """The kind of a cluster: ``object``, a band, ``background`` or ``mixed``.

    ``object`` where half of the relevance lies there, or where the object explains it best: its
    lift is 1.5 and larger than any band's (relevance spills over the outline of a small object, so
    that half is rarely met). Else the band with the largest lift among those that hold a quarter of
    the relevance. Else ``background`` where half lies there. Else ``mixed``. No region counts that
    has no more than its area explains, nor one that is NaN, as the object without masks.

    Args:
        mass: region -> mean share of relevance, NaN where undefined.
        area: region -> mean share of the view, NaN where undefined.
    """
    lift = {
        region: mass[region] / area[region] for region in mass if mass[region] >= area[region] > 0
    }
    bands = {band: lift[band] for band in BANDS if band in lift}
    on_object = lift.get(OBJECT, 0.0)
    if on_object and mass[OBJECT] >= _LEAST_HALF:
        return OBJECT
    if on_object >= max(_LEAST_LIFT, *bands.values(), 0.0):
        return OBJECT
    strong = {band: value for band, value in bands.items() if mass[band] >= _LEAST_ON_BAND}
    if strong:
        return max(strong, key=lambda band: strong[band])
    return BACKGROUND if BACKGROUND in lift and mass[BACKGROUND] >= _LEAST_HALF else MIXED


def typical_first(shares: NDArray[np.floating]) -> NDArray[np.intp]:
    """The order (n,) of maps (n, h, w) from the nearest to their mean to the farthest."""
    flat = shares.reshape(len(shares), -1)
    distance = np.sqrt(((flat - flat.mean(0)) ** 2).sum(1))
    # Rounded to six digits, so that the order does not depend on the rounding of a sum.
    return np.argsort(distance.round(6), kind="stable")
