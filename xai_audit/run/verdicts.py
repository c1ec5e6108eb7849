"""The evidence in short: one verdict per class and cue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.schema import PULL, RELIANCE

if TYPE_CHECKING:
    import pandas as pd

CONFIRMED, SUSPECTED, AVAILABLE, CLEAR, UNDETERMINED = (
    *("confirmed", "suspected", "available", "clear", "undetermined"),
)
# The verdicts, gravest first: undetermined is graver than clear.
GRAVITY = (CONFIRMED, SUSPECTED, AVAILABLE, UNDETERMINED, CLEAR)
_CELL = ["class_name", "cue"]
_SHOWN = [
    *(*_CELL, "verdict", "effect", "effect_low", "effect_high"),
    *("question", "explained_by", "because"),
]


def gravest(evidence: pd.DataFrame) -> pd.DataFrame:
    """One row a class and cue, in the table's order: of several methods the gravest verdict's.

    ``shown_question`` is the question that ``because`` gives the effect of: the one that
    confirmed, else ``reliance``, else ``pull`` where only that was measured. ``effect``,
    ``effect_low`` and ``effect_high`` are its estimate and 95 % interval, a change of probability.

    Args:
        evidence: rows of ``schema.EVIDENCE``.
    """
    ranked = evidence.assign(
        gravity=evidence["verdict"].map({verdict: n for n, verdict in enumerate(GRAVITY)}),
        by=evidence["method"].fillna(""),
        place=evidence.groupby(_CELL, sort=False).ngroup(),
    )
    ranked = ranked.sort_values(["place", "gravity", "by"], kind="stable")
    rows = ranked.drop_duplicates(_CELL).drop(columns=["gravity", "by", "place"])
    rows = rows.reset_index(drop=True)
    measured = rows[RELIANCE].notna() | rows[PULL].isna()
    rows["shown_question"] = rows["question"].where(
        rows["question"].notna(), measured.map({True: RELIANCE, False: PULL})
    )
    pulled = rows["shown_question"] == PULL
    for end in ("", "_low", "_high"):
        rows[f"effect{end}"] = rows[f"{PULL}{end}"].where(pulled, rows[f"{RELIANCE}{end}"])
    return rows


def person_view(evidence: pd.DataFrame) -> pd.DataFrame:
    """The main columns of :func:`gravest`, sorted by verdict (gravest first), then by effect."""
    rows = gravest(evidence)
    order = rows.assign(
        gravity=rows["verdict"].map({verdict: n for n, verdict in enumerate(GRAVITY)}),
        size=-rows["effect"].fillna(float("-inf")),
    )
    order = order.sort_values(["gravity", "size", *_CELL], kind="stable")
    return order[_SHOWN].reset_index(drop=True)
