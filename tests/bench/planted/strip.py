"""The rule of another package beside: a class is accused where its heatmaps fill a wide strip.

bnnr (PyPI) accuses a class of its border where more than .30 of the heatmap's mass lies in
the strip of 15 % of each side. Computed from this audit's own heatmaps, of the same photos.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tests.bench.planted.outcome import COMMAND, auroc
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.planted.outcome import Outcome

_WIDTH, _ACCUSED = 0.15, 0.30
_COLUMNS = ["class_name", "target_kind", "heatmap", "heatmap_height", "heatmap_width"]


def mass(heatmap: np.ndarray) -> float:
    """Of a heatmap (H, W), the share of positive values in the strip; NaN where none is.

    A cell that the strip's inner edge crosses counts by the part of it in the strip.
    """
    relevance = np.clip(np.asarray(heatmap, np.float64), 0, None)
    inside = np.outer(*(_inside(length) for length in relevance.shape))
    total = relevance.sum()
    return float((relevance * (1 - inside)).sum() / total) if total > 0 else float("nan")


def _inside(length: int) -> np.ndarray:
    """Of each of ``length`` cells, the part that is not in the strips at both ends."""
    start = np.arange(length)
    low, high = _WIDTH * length, (1 - _WIDTH) * length
    return np.clip(np.minimum(start + 1, high) - np.maximum(start, low), 0, 1)


def by_class(attributions: Path) -> dict[str, float]:
    """class_name -> mean of :func:`mass` over the heatmaps of the label."""
    table = pd.read_parquet(attributions, columns=_COLUMNS)
    table = table[(table["target_kind"] == "label") & table["heatmap"].notna()]
    shares = [
        mass(np.asarray(row.heatmap).reshape(row.heatmap_height, row.heatmap_width))
        for row in table.itertuples()
    ]
    return table.assign(share=shares).groupby("class_name")["share"].mean().to_dict()


def rows(cells: pd.DataFrame, outcomes: Sequence[Outcome], of: str) -> list[Row]:
    """Rows of the rule on the cells of the border: what it accuses, and its best order.

    Args:
        cells: scenario, class_name, cue, positive, verdict.
        outcomes: those of the cells' scenarios.
        of: what these cells are of, as text.
    """
    strips = {o.scenario.name: o.strip for o in outcomes}
    border = cells[cells["cue"] == "border"]
    share = np.array(
        [strips[row.scenario].get(row.class_name, np.nan) for row in border.itertuples()], float
    )
    known = ~np.isnan(share)
    border, share = border[known], share[known]
    if not len(border):
        return []
    positive = border["positive"].to_numpy(bool)
    confirmed = (border["verdict"] == "confirmed").to_numpy()
    return [
        _row(
            f"{of}, border: share of the heatmap in the strip above .30",
            positive,
            share > _ACCUSED,
        ),
        _row(f"{of}, border: confirmed", positive, confirmed),
        Row(
            f"{of}: AUROC of the share of the heatmap in that strip",
            NO_BOUND, f"{auroc(share[positive], share[~positive]):.3f}", True, COMMAND,
        ),
    ]  # fmt: skip


def _row(what: str, positive: np.ndarray, accused: np.ndarray) -> Row:
    right, wrong = int(accused[positive].sum()), int(accused[~positive].sum())
    told = f"{right} of {positive.sum()} positive cells, {wrong} of {(~positive).sum()} negative"
    return Row(what, NO_BOUND, told, True, COMMAND)
