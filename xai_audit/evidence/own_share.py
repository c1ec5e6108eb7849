"""A property that an object can have too (its colour): what of its effect is the object's own.

The verdict is that of the surroundings; beside it a few of the same pairs are measured with the
object changed as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.evidence.plan import MIN_IMAGES, OTHERS
from xai_audit.schema import WHOLE
from xai_audit.statistics.intervals import difference_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    import pandas as pd
    from numpy.typing import NDArray

    from xai_audit.evidence.plan import Cell
    from xai_audit.evidence.readings import CueReading

# So many pairs tell the object's share; 4 of them where the whole photo has no effect either.
_PAIRS = 24
_PAIR = ["image_id", "donor_with", "donor_without"]
_ENDS = ["p_with", "p_without"]


def photos_included(reading: CueReading, ids: Sequence[str]) -> set[str] | None:
    """The photos of which a transplant changes the object too; None of a cue no object can have."""
    included = reading.object_included
    if included is None or np.isnan(included).all():
        return None
    return {ids[place] for place in np.flatnonzero(included == 1).tolist()}


def spared(pools: Mapping[str, list[int]], reading: CueReading) -> dict[str, list[int]]:
    """``pools`` without the photos whose object would change, in classes with enough others."""
    included = reading.object_included
    if included is None:
        return dict(pools)
    kept = {name: [p for p in places if included[p] != 1] for name, places in pools.items()}
    return {
        name: kept[name] if len(kept[name]) >= MIN_IMAGES else places
        for name, places in pools.items()
    }


def with_whole(cell: Cell, included: Set[str] | None) -> Cell:
    """``cell`` with a few of its pairs once more, the object changed too.

    Args:
        cell: of reliance and pull.
        included: the photos whose object is changed anyway; None of a cue that no object can have.
    """
    if included is None:
        return cell
    pairs = cell.pull if cell.measured_on == OTHERS else cell.reliance or cell.pull
    known = [pair for pair in pairs if pair.image not in included][:_PAIRS]
    return replace(cell, whole=tuple(replace(pair, question=WHOLE) for pair in known))


def object_share(whole: pd.DataFrame, around: pd.DataFrame) -> float:
    """The share of the whole photo's effect that is gone where the object is left as it is.

    1 - the effect around the object / that of the whole photo, of the same pairs; below 0 where
    the object works against its surroundings. NaN where the latter is not surely above 0.

    Args:
        whole: rows of TRANSPLANTS with the whole photo changed.
        around: rows of the same cell with the object left as it is, of some of these pairs.
    """
    known = whole.dropna(subset=_ENDS)
    if not difference_interval(_effects(known))[0] > 0:
        return float("nan")
    both = known.merge(around.dropna(subset=_ENDS)[[*_PAIR, *_ENDS]], on=_PAIR, suffixes=("", "_"))
    effect = _effects(both).sum()
    return float(1 - (both["p_with_"] - both["p_without_"]).sum() / effect) if effect else np.nan


def _effects(rows: pd.DataFrame) -> NDArray[np.float64]:
    return (rows["p_with"] - rows["p_without"]).to_numpy(np.float64)
