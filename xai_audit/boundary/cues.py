"""The cues that the evidence holds against a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.dataset as ds

from xai_audit.schema import EVIDENCE
from xai_audit.tables import scan

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

Cues = list[tuple[str, str]]

_GRAVE = ("confirmed", "suspected")
_EFFECTS = ["reliance", "pull"]


class _ByMethod(dict[tuple[str, str], Cues]):
    """(class, method) -> its cues; a class without any has none, which was measured too."""

    def __missing__(self, key: tuple[str, str]) -> Cues:
        return []


def cues_of(
    evidence: Path | None, classes: Collection[str]
) -> Mapping[tuple[str, str], Cues] | None:
    """(class, method) -> (cue, verdict), confirmed before suspected, the largest effect first.

    None without evidence.

    Args:
        evidence: the table, None where there is none.
        classes: asked about.

    Raises:
        OutputError: the table cannot be read.
    """
    if evidence is None:
        return None
    where = ds.field("class_name").isin(sorted(classes)) & ds.field("verdict").isin([*_GRAVE])
    columns = ["class_name", "method", "cue", "verdict", *_EFFECTS]
    found = _ByMethod()
    for frame in scan([evidence], EVIDENCE, columns, where):
        effect = frame[_EFFECTS].astype("float64").max(axis=1).fillna(0)
        grave = frame["verdict"].map({verdict: n for n, verdict in enumerate(_GRAVE)})
        order = pd.DataFrame({"grave": grave, "effect": -effect, "cue": frame["cue"]})
        for place in order.sort_values(["grave", "effect", "cue"]).index:
            row = frame.loc[place]
            key = row["class_name"], row["method"]
            found[key] = [*found[key], (row["cue"], row["verdict"])]
    return found
