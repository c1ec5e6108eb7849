"""The confirmed and suspected cues of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.run.scan import scan
from xai_audit.schema import EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

Cues = list[tuple[str, str]]

_GRAVE, _OPEN = ("confirmed", "suspected"), "undetermined"
_EFFECTS = ["reliance", "pull"]


def cues_of(
    evidence: Path | None, classes: Collection[str]
) -> Mapping[tuple[str, str], Cues] | None:
    """(class, method) -> (cue, verdict), confirmed before suspected, the largest effect first.

    Empty where the class has none, absent where none of its cues could be judged. None without
    evidence.

    Args:
        evidence: the table, None where there is none.
        classes: names.

    Raises:
        OutputError: the table cannot be read.
    """
    if evidence is None:
        return None
    where = ds.field("class_name").isin(pa.array(sorted(classes), pa.string()))
    columns = ["class_name", "method", "cue", "verdict", *_EFFECTS]
    found: dict[tuple[str, str], Cues] = {}
    for frame in scan([evidence], EVIDENCE, columns, where):
        judged = frame[frame["verdict"] != _OPEN]
        for key in zip(judged["class_name"], judged["method"], strict=True):
            found.setdefault(key, [])
        frame = judged[judged["verdict"].isin(_GRAVE)]
        effect = frame[_EFFECTS].astype("float64").max(axis=1).fillna(0)
        grave = frame["verdict"].map({verdict: n for n, verdict in enumerate(_GRAVE)})
        order = pd.DataFrame({"grave": grave, "effect": -effect, "cue": frame["cue"]})
        for place in order.sort_values(["grave", "effect", "cue"]).index:
            row = frame.loc[place]
            key = row["class_name"], row["method"]
            found[key] = [*found[key], (row["cue"], row["verdict"])]
    return found
