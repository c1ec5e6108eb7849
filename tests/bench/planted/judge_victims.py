"""Whose photos an artefact takes over: what pulls.parquet says against pasting it on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tests.bench.planted.outcome import COMMAND, POSITIVE, Outcome
from tests.bench.planted.truth import of_cue
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS = [
    "scenario", "class_name", "cue", "victim_class", "changed", "changed_low", "changed_high",
    "truth",
]  # fmt: skip
# A class of which so much less is taken than of the first is as good an answer.
_NEAR = 0.1


def victims(outcome: Outcome) -> pd.DataFrame:
    """The rows of pulls.parquet of artefacts that the model uses, with the ``truth`` of each."""
    found = []
    for row in outcome.pulls.itertuples():
        shares = outcome.victims.get(row.class_name, {}).get(row.cue, {})
        if row.victim_class not in shares:
            continue
        if of_cue(outcome.truth[row.class_name], row.cue) < POSITIVE:
            continue
        said = (row.changed, row.changed_low, row.changed_high)
        key = (outcome.scenario.name, row.class_name, row.cue, row.victim_class)
        found.append((*key, *said, shares[row.victim_class]))
    return pd.DataFrame(found, columns=_COLUMNS)


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """How often the true share is in its interval, and how often the first victim is named."""
    table = pd.concat([pd.DataFrame(columns=_COLUMNS), *map(victims, outcomes)], ignore_index=True)
    if not len(table):
        return []
    inside = (table["changed_low"] <= table["truth"]) & (table["truth"] <= table["changed_high"])
    outside = [
        f"{r.scenario} {r.cue} of {r.victim_class} "
        f"({r.truth:.2f} not in {r.changed_low:.2f} to {r.changed_high:.2f})"
        for r in table[~inside].itertuples()
    ]
    cells = [cell for _, cell in table.groupby(["scenario", "class_name", "cue"])]
    unnamed = [_name(cell) for cell in cells if not first_is_named(cell)]
    return [
        _row("the share of a victim's photos that become the class is in its interval", table,
             outside),
        _row("the class that most is taken of is named first", cells, unnamed),
    ]  # fmt: skip


def first_is_named(cell: pd.DataFrame) -> bool:
    """Whether the victim of whom most changed is, of one cell, the true one or near to it."""
    named = cell.loc[cell["changed"].astype(float).idxmax(), "truth"]
    return bool(named >= cell["truth"].max() - _NEAR)


def _name(cell: pd.DataFrame) -> str:
    first = cell.iloc[0]
    return f"{first['scenario']} {first['class_name']}/{first['cue']}"


def _row(what: str, counted: pd.DataFrame | list[pd.DataFrame], wrong: list[str]) -> Row:
    right = len(counted) - len(wrong)
    listed = f": not {', '.join(wrong)}" if wrong else ""
    return Row(
        what, NO_BOUND, f"{right} of {len(counted)} ({right / len(counted):.3f}){listed}", True,
        COMMAND,
    )  # fmt: skip
