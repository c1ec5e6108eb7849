"""The three questions brought together: one row a class, cue and method, not yet judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.evidence.columns import ATTENTION, AVAILABILITY, CARRIED, EFFECTS
from xai_audit.evidence.plan import shown
from xai_audit.run.paths import RunPaths
from xai_audit.run.verdicts import preferred_kinds
from xai_audit.schema import EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_CELL = ["class_name", "cue"]
_ENDS = {"value": "", "low": "_low", "high": "_high", "p": "_p"}
# The columns that identify a pair in transplants/.
_PAIR = ["class_name", "cue", "question", "image_id", "donor_with", "donor_without"]


def cell_rows(
    paths: RunPaths, methods: Sequence[str], trusted: Mapping[str, bool | None]
) -> pd.DataFrame:
    """One row per class, cue and method with its measured columns, in the order of the effects.

    Args:
        paths: of the run: its effects, availability and attention.
        methods: names, in the order of the rows of a cell.
        trusted: method -> whether its maps change with the model's weights; absent: not checked.
    """
    effects = _table(RunPaths.parts(paths.effects), EFFECTS, EFFECTS.names)
    columns = [name for name in AVAILABILITY.names if name not in ("presence", "likeness")]
    offered = _table(RunPaths.parts(paths.availability), AVAILABILITY, columns)
    columns = [name for name in ATTENTION.names if name != "masses"]
    attended = _table(RunPaths.parts(paths.attention), ATTENTION, columns)
    columns = [name for name in CARRIED.names if name != "forwards"]
    carried = _table(RunPaths.parts(paths.carried), CARRIED, columns)
    cells = effects.merge(_renamed(offered, "availability"), on=_CELL, how="left")
    cells = cells.merge(carried, on=_CELL, how="left")
    for name in ("n_agree", "n_disagree"):
        cells[name] = cells[name].fillna(0)
    kinds = _kinds(attended, methods)
    frames = [_with_attention(cells, attended, m, kinds[m], trusted.get(m)) for m in methods]
    whole = pd.concat(frames, ignore_index=True)
    order = np.argsort(np.tile(np.arange(len(cells)), len(methods)), kind="stable")
    whole = whole.iloc[order].reset_index(drop=True)
    return whole.assign(cue=whole["cue"].map(shown))


def _table(files: Sequence[Path], schema: pa.Schema, columns: Sequence[str]) -> pd.DataFrame:
    """The columns of some parts, numbers as float64."""
    table = schema.empty_table().select([*columns])
    if files:
        table = ds.dataset(list(map(str, files)), schema=schema).to_table(columns=[*columns])
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _renamed(estimates: pd.DataFrame, question: str) -> pd.DataFrame:
    return estimates.rename(columns={old: f"{question}{new}" for old, new in _ENDS.items()})


def _kinds(attended: pd.DataFrame, methods: Iterable[str]) -> dict[str, str]:
    """Method -> the target kind that its attention is about: the margin where there is one."""
    found = preferred_kinds(attended)
    return {method: found.get(method, "label") for method in methods}


def _with_attention(
    cells: pd.DataFrame, attended: pd.DataFrame, method: str, kind: str, trusted: bool | None
) -> pd.DataFrame:
    """The cells with one method's attention, by its preferred target kind and by the label."""
    mine = attended[attended["method"] == method].drop(columns="method")
    preferred = mine[mine["target_kind"] == kind].drop(columns="target_kind")
    label = mine[mine["target_kind"] == "label"]
    label = label[[*_CELL, "value"]].rename(columns={"value": "attention_label"})
    rows = cells.merge(_renamed(preferred, "attention"), on=_CELL, how="left")
    rows = rows.merge(label, on=_CELL, how="left")
    return rows.assign(
        method=method,
        attention_kind=kind,
        attention_trusted=pd.Series([trusted] * len(rows), dtype=object),
    )


def shares_left(
    joint: pd.DataFrame, transplants: pd.DataFrame, *, least: int
) -> dict[tuple[str, str, str], float]:
    """(class, cue, other cue) -> the share of the cue's effect left with the other's put back.

    Both effects are of the same pairs; a class without ``least`` of them is absent.
    """
    both = joint.merge(
        transplants[[*_PAIR, "p_with", "p_without"]], on=_PAIR, suffixes=("", "_plain")
    )
    both["left"] = both["p_with"] - both["p_without"]
    both["effect"] = both["p_with_plain"] - both["p_without_plain"]
    known = both.dropna(subset=["left", "effect"])
    return {
        (str(name), str(cue), str(other)): float(rows["left"].mean() / rows["effect"].mean())
        for (name, cue, other), rows in known.groupby(["class_name", "cue", "given"])
        if len(rows) >= least and rows["effect"].mean() > 0
    }


def rests_on_masks(cells: pd.DataFrame, cues: Mapping[str, tuple[str, bool]]) -> pd.Series:
    """Per row whether it rests on masks: its cue needs one, or it left the object as it is.

    Args:
        cells: of :func:`cell_rows`.
        cues: name -> its way, and whether it needs a mask.
    """
    needed = cells["cue"].map(lambda cue: cues.get(cue, ("", False))[1]).astype(bool)
    return needed | cells["object_included"].map(lambda known: known is False)


def core_accuracy(cells: pd.DataFrame) -> pd.Series:
    """Per row the class's accuracy by the object alone: the rest comes from other classes."""
    rows = cells[cells["cue"] == "background"]
    return cells["class_name"].map(rows.groupby("class_name")["accuracy_without"].first())


def evidence_table(judged: pd.DataFrame) -> pa.Table:
    """The judged rows in EVIDENCE, by class, cue and method; NaN is null."""
    frame = judged.reindex(columns=EVIDENCE.names)
    return pa.Table.from_pandas(frame, schema=EVIDENCE, preserve_index=False)
