"""Reliance and pull of every cell of a class, from its measured pairs; no limit is applied yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xai_audit.evidence.cells import ALL
from xai_audit.evidence.columns import EFFECTS
from xai_audit.evidence.own_share import object_share
from xai_audit.evidence.plan import OTHERS, shown
from xai_audit.schema import PULL, RELIANCE, SCRAMBLED, WHOLE
from xai_audit.statistics.estimate import paired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    import pandas as pd
    from numpy.typing import NDArray

    from xai_audit.evidence.plan import Cell


def effects_table(
    cells: Sequence[Cell],
    transplants: pd.DataFrame,
    *,
    ways: Mapping[str, str],
    usable: Mapping[str, int],
    included: Mapping[str, Set[str] | None],
    seed: int,
) -> pa.Table:
    """The rows of EFFECTS of one class, in the order of its cells.

    Args:
        cells: of the class; the one of all cues has no row.
        transplants: the rows of TRANSPLANTS of the class.
        ways: key of a cue -> way.
        usable: key of a cue -> photos of the class that can take and give it.
        included: key of a cue -> the photos whose object it changes too; None: no object can have
            it.
        seed: of the sign flips.
    """
    pairs = {
        (str(cue), str(question)): rows
        for (cue, question), rows in transplants.groupby(["cue", "question"])
    }
    nothing = transplants.iloc[:0]
    rows = []
    for cell in cells:
        if cell.cue != ALL:
            cue = shown(cell.cue)
            own, others, twins = (pairs.get((cue, q), nothing) for q in (RELIANCE, PULL, SCRAMBLED))
            row: dict[str, Any] = {
                "class_name": cell.class_name,
                "cue": cell.cue,
                "way": ways[cell.cue],
            }
            row |= {"n_read": usable[cell.cue]} | _effects(cell, own, others, seed)
            if row["way"] == "added":
                row |= _arms(own, twins, seed)
            if (changed := included[cell.cue]) is not None:
                around = own if len(own) and cell.measured_on != OTHERS else others
                row |= _object(pairs.get((cue, WHOLE), nothing), around, changed, seed)
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=EFFECTS)


def _effects(cell: Cell, own: pd.DataFrame, others: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Reliance, pull and accuracies of one cell; None where undefined."""
    # What a photo has lost cannot be restored: photos of other classes are degraded instead.
    pairs = others if cell.measured_on == OTHERS else own
    differences = _differences(pairs)
    known = own.dropna(subset=["correct_with", "correct_without"])
    found = {
        "sd": float(np.std(differences, ddof=1)) if len(differences) > 1 else np.nan,
        **_columns("reliance", differences, seed),
        **_columns("pull", _differences(others), seed),
        "reliance_log_odds": _mean(_differences(pairs, "log_odds")),
        "pull_log_odds": _mean(_differences(others, "log_odds")),
        "accuracy_with": _mean(known["correct_with"].to_numpy(np.float64)),
        "accuracy_without": _mean(known["correct_without"].to_numpy(np.float64)),
    }
    return {
        "n_images": len(differences),
        "measured_on": cell.measured_on,
        "why": cell.why,
        "wanted": cell.wanted,
        "forwards": 2 * (len(own) + len(others)),
        **{name: None if np.isnan(value) else value for name, value in found.items()},
    }


def _arms(own: pd.DataFrame, twins: pd.DataFrame, seed: int) -> dict[str, float | None]:
    """What is put on the class's own photos does, and its scrambled twin on other classes'."""
    found = _columns("own", _differences(own), seed)
    found |= _columns("scrambled", _differences(twins), seed)
    return _known(found)


def _known(found: Mapping[str, float]) -> dict[str, float | None]:
    """Estimates and intervals, None where undefined; no p-value, for they decide nothing."""
    return {
        name: None if np.isnan(value) else value
        for name, value in found.items()
        if not name.endswith("_p")
    }


def _object(
    whole: pd.DataFrame, around: pd.DataFrame, changed: Set[str], seed: int
) -> dict[str, Any]:
    """What changing the object too does, and whether it was changed anyway, for want of masks."""
    found = _columns(WHOLE, _differences(whole), seed)
    found["object_share"] = object_share(whole, around)
    images = {*around["image_id"]}
    return {**_known(found), "object_included": bool(images & changed) if images else None}


def _columns(question: str, differences: NDArray[np.float64], seed: int) -> dict[str, float]:
    estimate = paired(differences, seed=seed)
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


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
