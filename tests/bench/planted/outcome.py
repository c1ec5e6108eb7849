"""One scenario, built and audited: what is known of it and what the audit said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.bench.planted.scenario import Scenario

POSITIVE, NEGATIVE = 0.5, 0.05
COMMAND = "python -m tests.bench planted"
_EFFECTS = ("reliance", "pull", "carrier_pull", "whole")


@dataclass(frozen=True)
class Outcome:
    """One scenario, built and audited.

    Attributes:
        scenario: what was planted where.
        truth: label -> accuracy, present, absent, truth.
        evidence: evidence.parquet of its audit.
        mass: mean mass by class_name (rows) and region (columns), from its scores.
        apart: forwards that told overlapping cues apart.
        evidence_share: of the run's seconds, those of the evidence stage.
        carriers: label -> image_id of the photos that have the artefacts.
        n_photos: label -> how many photos were audited.
        found_carriers: carriers.parquet of its audit, empty where there is none.
        strip: class_name -> share of the heatmap in a wide strip along the sides.
        victims: label -> cue -> victim class -> true share of its photos that become the label.
        pulls: pulls.parquet of its audit, empty where there is none.
        forwards: of the evidence, and those of what was asked before carriers were looked for.
    """

    scenario: Scenario
    truth: Mapping[str, Mapping[str, float]]
    evidence: pd.DataFrame
    mass: pd.DataFrame
    apart: int
    evidence_share: float
    carriers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    n_photos: Mapping[str, int] = field(default_factory=dict)
    found_carriers: pd.DataFrame = field(default_factory=pd.DataFrame)
    strip: Mapping[str, float] = field(default_factory=dict)
    victims: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    pulls: pd.DataFrame = field(default_factory=pd.DataFrame)
    forwards: tuple[int, int] = (0, 0)

    @property
    def confirmed(self) -> set[tuple[str, str]]:
        """(class, cue) pairs."""
        rows = self.evidence[self.evidence["verdict"] == "confirmed"]
        return set(zip(rows["class_name"], rows["cue"], strict=True))

    def cell(self, label: str, cue: str) -> pd.Series:
        """The first row of ``label`` and ``cue``; empty where the table has none."""
        table = self.evidence
        row = table[(table["class_name"] == label) & (table["cue"] == cue)]
        return row.iloc[0] if len(row) else pd.Series(dtype=object)


def table_if_there(path: Path) -> pd.DataFrame:
    """The table at ``path``; empty where this revision of the product writes none."""
    return pd.read_parquet(path) if path.exists() else pd.DataFrame()


def number(row: pd.Series, column: str) -> float:
    """A cell's value; NaN where the row is empty, the column missing or the value null."""
    value = row.get(column)
    return float("nan") if value is None or pd.isna(value) else float(value)


def reliance(row: pd.Series) -> float:
    """The cell's reliance; 0 where it was not measured."""
    value = number(row, "reliance")
    return 0.0 if np.isnan(value) else value


def effect(row: pd.Series) -> float:
    """The largest of reliance, pull, carrier_pull and whole; 0 where none was measured.

    Of every cell alike, whatever its verdict: what a reader sees who ranks cells by effect.
    """
    values = [number(row, column) for column in _EFFECTS]
    return max((value for value in values if not np.isnan(value)), default=0.0)


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """P(a positive's value > a negative's), ties count half; NaN without both (Mann-Whitney)."""
    if not len(positive) or not len(negative):
        return float("nan")
    difference = np.subtract.outer(np.asarray(positive), np.asarray(negative))
    return float((difference > 0).mean() + (difference == 0).mean() / 2)
