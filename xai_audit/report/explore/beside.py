"""What other tables say of the photos: flags, carried cues, transplanted pairs, cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.dataset as ds

from xai_audit.run.verdicts import GRAVITY, gravest

if TYPE_CHECKING:
    from xai_audit.run.reader import Run

_FLAG = ["image_id", "class_name", "method", "reason", "value", "class_median", "distance", "rank"]
_CARRIER = ["image_id", "class_name", "cue", "presence", "effect", "sure"]
_PAIR = [
    *("image_id", "class_name", "cue", "question", "donor_with", "donor_without"),
    *("p_with", "p_without"),
]
# Pairs shown of a photo: its strongest, one a class and cue.
PAIRS = 4


@dataclass(frozen=True)
class Beside:
    """Rows of other tables about the photos; empty where the run has none.

    Attributes:
        flags: ``_FLAG`` of schema.FLAGS.
        carriers: ``_CARRIER`` of schema.CARRIERS.
        pairs: ``_PAIR`` of schema.TRANSPLANTS: of each photo, or photo and class where it has
            several labels, the PAIRS that moved the decision most, strongest first.
        cells: ``class_name``, ``cue``, ``verdict``, the gravest of several methods.
    """

    flags: pd.DataFrame
    carriers: pd.DataFrame
    pairs: pd.DataFrame
    cells: pd.DataFrame


def read_beside(run: Run) -> Beside:
    """What the tables of ``run`` that are current say of its photos.

    Raises:
        OutputError: a table is broken.
    """
    cells = pd.DataFrame(columns=["class_name", "cue", "verdict"])
    if run.has("evidence"):
        cells = gravest(run.evidence)[["class_name", "cue", "verdict"]]
        cells = cells[cells["verdict"].isin(GRAVITY)]
    return Beside(
        flags=_rows(run, "flags", _FLAG),
        carriers=_rows(run, "carriers", _CARRIER),
        pairs=_strongest(run, ["image_id", "class_name"] if run.has("decisions") else ["image_id"]),
        cells=cells.reset_index(drop=True),
    )


def _rows(run: Run, table: str, columns: list[str]) -> pd.DataFrame:
    return run.collect(table, columns) if run.has(table) else pd.DataFrame(columns=columns)


def _strongest(run: Run, keys: list[str]) -> pd.DataFrame:
    """The pairs shown of each of ``keys``, file by file: a large table is never in memory."""
    kept = pd.DataFrame(columns=[*_PAIR, "moved"])
    if not run.has("transplants"):
        return kept
    where = ds.field("given").is_null()
    where &= ds.field("p_with").is_valid() & ds.field("p_without").is_valid()
    for frame in run.scan("transplants", _PAIR, where):
        one = frame.assign(moved=(frame["p_with"] - frame["p_without"]).abs())
        both = pd.concat([kept, one], ignore_index=True) if len(kept) else one
        both = both.sort_values(["moved", *_PAIR[:6]], ascending=[False] + [True] * 6)
        both = both.drop_duplicates(["image_id", "class_name", "cue"])
        kept = both.groupby(keys, sort=False).head(PAIRS).reset_index(drop=True)
    return kept
