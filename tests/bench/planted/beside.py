"""What heatmaps alone would have said, beside the audit, on the very same cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.bench.planted import strip
from tests.bench.planted.outcome import COMMAND, auroc
from tests.bench.planted.plants import REGIONS
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from tests.bench.planted.outcome import Outcome

# Of the negative cells, those that a threshold on mass may let pass.
_WRONG = 0.02


def rows(cells: pd.DataFrame, outcomes: Sequence[Outcome], of: str) -> list[Row]:
    """Rows of plain heatmap mass and of the rule of the strip; none without cells of both sides.

    Args:
        cells: scenario, class_name, cue, positive, verdict, reliance, effect.
        outcomes: those of the cells' scenarios.
        of: what these cells are of, as text.
    """
    region = with_mass(cells, outcomes).dropna(subset="mass")
    positive = region["positive"].astype(bool)
    if positive.all() or not positive.any():
        return []
    by = ("mass", "reliance", "effect")
    areas = [f"{auroc(region[positive][name], region[~positive][name]):.3f}" for name in by]
    recalls = [f"{best_recall(region, name):.3f}" for name in by]
    on = f"{of}: {positive.sum()} positive, {(~positive).sum()} negative cells of regions"
    return [
        Row(
            f"AUROC of plain heatmap mass; reliance; largest effect, {on}",
            NO_BOUND, "; ".join(areas), True, COMMAND,
        ),
        Row(
            f"recall at the best threshold with {_WRONG} of the negatives, the same three, {on}",
            NO_BOUND, "; ".join(recalls), True, COMMAND,
        ),
        *strip.rows(cells, outcomes, of),
    ]  # fmt: skip


def with_mass(cells: pd.DataFrame, outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """``cells`` with ``mass``, the mean over the class's photos; NaN where it was not scored."""
    masses = {o.scenario.name: o.mass for o in outcomes}

    def mass(scenario: str, label: str, cue: str) -> float:
        table = masses[scenario]
        known = cue in REGIONS and cue in table.columns and label in table.index
        return float(table.loc[label, cue]) if known else float("nan")

    keys = zip(cells["scenario"], cells["class_name"], cells["cue"], strict=True)
    return cells.assign(mass=[mass(*key) for key in keys])


def best_recall(found: pd.DataFrame, by: str) -> float:
    """The share of positive cells above the threshold that 0.02 of the negative ones pass."""
    is_positive = found["positive"].astype(bool)
    negative = np.sort(found[~is_positive][by].to_numpy())
    positive = found[is_positive][by].to_numpy()
    if not len(negative) or not len(positive):
        return float("nan")
    passing = int(_WRONG * len(negative))
    return float((positive > negative[len(negative) - 1 - passing]).mean())
