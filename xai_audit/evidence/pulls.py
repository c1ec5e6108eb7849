"""Victims: the classes whose photos become another class where they are given its cue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from xai_audit.evidence.cells import ALL
from xai_audit.schema import CARRIER_PULL, PULL, PULLS, TRANSPLANTS, VICTIM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_CELL = ["class_name", "cue"]
_CARRIED = (CARRIER_PULL, VICTIM)
_COLUMNS = [*_CELL, "question", "image_id", "image_class", "predicted_with", "predicted_without"]


def pulls_table(files: Sequence[Path]) -> pa.Table:
    """The rows of PULLS: the share of each class's photos that are newly predicted as the class.

    A photo counts once, and as changed where more than half of its pairs change it. Of a cell with
    carriers only their pairs count. The interval is Wilson's (1927).

    Args:
        files: of ``transplants/``, pulls and carriers' pulls.
    """
    rows = _pairs(files)
    if rows.empty:
        return PULLS.empty_table()
    carried = rows[rows["question"].isin(_CARRIED)][_CELL].drop_duplicates()
    marked = rows.merge(carried.assign(carried=True), on=_CELL, how="left")
    kept = marked["carried"].isna() | marked["question"].isin(_CARRIED)
    found = marked[kept]
    found["changed"] = found["predicted_with"] & ~found["predicted_without"]
    photos = found.groupby([*_CELL, "image_class", "image_id"])["changed"].mean() > 0.5
    shares = photos.groupby([*_CELL, "image_class"]).agg(["sum", "count"]).reset_index()
    made = [
        _row(str(name), str(cue), str(victim), int(changed), int(count))
        for name, cue, victim, changed, count in shares.itertuples(index=False)
    ]
    return pa.Table.from_pylist(made, schema=PULLS)


def carriers_of(cells: pd.DataFrame, carriers: pa.Table) -> pd.Series:
    """The ids of the photos that carry the cue of each row of ``cells``, a frozenset."""
    found: dict[tuple[str, str], set[str]] = {}
    for row in carriers.to_pylist():
        found.setdefault((row["class_name"], row["cue"]), set()).add(row["image_id"])
    of = zip(cells["class_name"], cells["cue"], strict=True)
    sets = [frozenset(found.get(cell, ())) for cell in of]
    return pd.Series(sets, index=cells.index, dtype=object)


def victims_of(cells: pd.DataFrame, pulls: pa.Table) -> pd.Series:
    """The victims of each row of ``cells`` with the share that changes, most changed first."""
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for row in pulls.to_pylist():
        victim = row["victim_class"], row["changed"]
        found.setdefault((row["class_name"], row["cue"]), []).append(victim)
    ranked = {cell: sorted(each, key=lambda one: (-one[1], one[0])) for cell, each in found.items()}
    of = zip(cells["class_name"], cells["cue"], strict=True)
    return pd.Series([ranked.get(cell, []) for cell in of], index=cells.index, dtype=object)


def _pairs(files: Sequence[Path]) -> pd.DataFrame:
    """The measured pairs of pull, of carriers too."""
    table = TRANSPLANTS.empty_table().select(_COLUMNS)
    if files:  # all at once: of a thousand classes each has hardly a row
        wanted = pc.field("question").isin([PULL, *_CARRIED]) & (pc.field("cue") != ALL)
        known = pc.field("predicted_with").is_valid() & pc.field("predicted_without").is_valid()
        pairs = ds.dataset([*map(str, files)], schema=TRANSPLANTS)
        table = pairs.to_table(columns=_COLUMNS, filter=wanted & known)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _row(name: str, cue: str, victim: str, changed: int, count: int) -> dict[str, object]:
    from scipy.stats import binomtest  # 0.7 s

    interval = binomtest(changed, count).proportion_ci(method="wilson")
    return {
        "class_name": name,
        "cue": cue,
        "victim_class": victim,
        "n_images": count,
        "changed": changed / count,
        "changed_low": interval.low,
        "changed_high": interval.high,
    }
