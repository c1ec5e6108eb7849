"""Reliance and pull of every cell of a class, from its measured pairs; no limit is applied yet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xai_audit.evidence.cells import ALL
from xai_audit.evidence.columns import EFFECTS
from xai_audit.evidence.own_share import object_share
from xai_audit.evidence.plan import OTHERS, shown
from xai_audit.evidence.shared import shared_clusters
from xai_audit.schema import PULL, RELIANCE, SCRAMBLED, WHOLE
from xai_audit.statistics.estimate import paired
from xai_audit.statistics.intervals import effect_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    import pandas as pd
    from numpy.typing import NDArray

    from xai_audit.evidence.plan import Cell
    from xai_audit.statistics.estimate import Estimate

    _Estimating = Callable[[pd.DataFrame], Estimate]

_PHOTOS = ("image_id", "donor_with", "donor_without")


@dataclass(frozen=True)
class CueFacts:
    """What the effects of a cue on one class need to know of it.

    Attributes:
        way: of the cue.
        usable: number of the class's photos that can take and give it.
        included: the photos whose object it changes too; None: no object can have it.
    """

    way: str
    usable: int
    included: Set[str] | None = None


def effects_table(
    cells: Sequence[Cell],
    transplants: pd.DataFrame,
    *,
    cues: Mapping[str, CueFacts],
    clusters: Mapping[str, int],
    seed: int,
) -> pa.Table:
    """The rows of EFFECTS of one class, in the order of its cells.

    Args:
        cells: of the class; the one of all cues has no row.
        transplants: the rows of TRANSPLANTS of the class.
        cues: by key.
        clusters: image id -> number of its cluster.
        seed: of the sign flips.
    """
    pairs: dict[tuple[str, str], pd.DataFrame] = {}
    if len(transplants):  # grouping nothing takes its time too
        for (cue, question), rows in transplants.groupby(["cue", "question"]):
            pairs[str(cue), str(question)] = rows
    measured = {cue for cue, _ in pairs}
    nothing, estimate = transplants.iloc[:0], partial(_estimate, clusters=clusters, seed=seed)
    found = []
    for cell in cells:
        if cell.cue != ALL:
            cue = shown(cell.cue)
            own, others, twins = (pairs.get((cue, q), nothing) for q in (RELIANCE, PULL, SCRAMBLED))
            known = cues[cell.cue]
            row: dict[str, Any] = {"class_name": cell.class_name, "cue": cell.cue, "way": known.way}
            if cue not in measured:  # most cells of classes with few photos
                found.append(row | {"n_clusters": 0, "n_read": known.usable} | _unmeasured(cell))
                continue
            judged = others if cell.measured_on == OTHERS else own
            row["n_clusters"] = len({clusters[one] for one in judged["image_id"][_finite(judged)]})
            row |= {"n_read": known.usable} | _effects(cell, own, others, estimate)
            if row["way"] == "added":
                row |= _arms(own, twins, estimate)
            if known.included is not None:
                around = own if len(own) and cell.measured_on != OTHERS else others
                whole = pairs.get((cue, WHOLE), nothing)
                row |= _object(whole, around, known.included, estimate)
            found.append(row)
    return pa.Table.from_pylist(found, schema=EFFECTS)


def _effects(
    cell: Cell, own: pd.DataFrame, others: pd.DataFrame, estimate: _Estimating
) -> dict[str, Any]:
    """Reliance, pull and accuracies of one cell; None where undefined."""
    # What a photo has lost cannot be restored: photos of other classes are degraded instead.
    pairs = others if cell.measured_on == OTHERS else own
    differences = _differences(pairs)
    known = own.dropna(subset=["correct_with", "correct_without"])
    found = {
        "sd": float(np.std(differences, ddof=1)) if len(differences) > 1 else np.nan,
        **_columns("reliance", estimate(pairs)),
        **_columns("pull", estimate(others)),
        "reliance_log_odds": _mean(_differences(pairs, "log_odds")),
        "pull_log_odds": _mean(_differences(others, "log_odds")),
        "accuracy_with": _mean(known["correct_with"].to_numpy(np.float64)),
        "accuracy_without": _mean(known["correct_without"].to_numpy(np.float64)),
    }
    return {
        **_unmeasured(cell),
        "n_images": len(differences),
        "forwards": 2 * (len(own) + len(others)),
        **{name: None if np.isnan(value) else value for name, value in found.items()},
    }


def _unmeasured(cell: Cell) -> dict[str, Any]:
    """The columns of a cell without pairs."""
    return {
        "n_images": 0,
        "measured_on": cell.measured_on,
        "why": cell.why,
        "wanted": cell.wanted,
        "left_forwards": cell.left,
        "forwards": 0,
    }


def _arms(own: pd.DataFrame, twins: pd.DataFrame, estimate: _Estimating) -> dict[str, float | None]:
    """What is put on the class's own photos does, and its scrambled twin on other classes'."""
    return _known(_columns("own", estimate(own)) | _columns("scrambled", estimate(twins)))


def _known(found: Mapping[str, float]) -> dict[str, float | None]:
    """Estimates and intervals, None where undefined; no p-value, for they decide nothing."""
    return {
        name: None if np.isnan(value) else value
        for name, value in found.items()
        if not name.endswith("_p")
    }


def _object(
    whole: pd.DataFrame, around: pd.DataFrame, changed: Set[str], estimate: _Estimating
) -> dict[str, Any]:
    """What changing the object too does, and whether it was changed anyway, for want of masks."""
    found = _columns(WHOLE, estimate(whole))
    p = found[f"{WHOLE}_p"]
    found["object_share"] = object_share(whole, around)
    images = {*around["image_id"]}
    included = bool(images & changed) if images else None
    return {**_known(found), f"{WHOLE}_p": None if np.isnan(p) else p, "object_included": included}


def _estimate(rows: pd.DataFrame, *, clusters: Mapping[str, int], seed: int) -> Estimate:
    """The mean effect of pairs; those that share clusters are not counted as independent."""
    known = rows[_finite(rows)]
    photos = zip(*(known[name] for name in _PHOTOS), strict=True)
    shared = shared_clusters(photos, clusters)
    return paired(_differences(rows), seed=seed, clusters=shared, interval=effect_interval)


def _columns(question: str, estimate: Estimate) -> dict[str, float]:
    return {
        question: estimate.value,
        f"{question}_low": estimate.low,
        f"{question}_high": estimate.high,
        f"{question}_p": estimate.p,
    }


def _differences(rows: pd.DataFrame, what: str = "p") -> NDArray[np.float64]:
    values = (rows[f"{what}_with"] - rows[f"{what}_without"]).to_numpy(np.float64)
    known: NDArray[np.float64] = values[np.isfinite(values)]
    return known


def _finite(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) bool, which pairs were measured."""
    found: NDArray[np.bool_] = np.isfinite((rows["p_with"] - rows["p_without"]).to_numpy(float))
    return found


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
