"""How well an effect ranks cells that the model relies on before those that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.planted.outcome import COMMAND, auroc
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    import pandas as pd

_LEAST = 0.98


def rows(positive: pd.DataFrame, negative: pd.DataFrame, of: str) -> list[Row]:
    """AUROC of reliance, and of the largest effect, which has the bound.

    Without cells of both sides nothing was ranked, and the bound is not met.

    Args:
        positive: cells with reliance and effect; may be empty.
        negative: likewise.
        of: what these cells are of, as text.
    """
    alone, largest = (
        auroc(*(cells[by] if len(cells) else [] for cells in (positive, negative)))
        for by in ("reliance", "effect")
    )
    what = f"{of}: {len(positive)} positive against {len(negative)} negative cells"
    return [
        Row(f"AUROC of reliance alone, {what}", NO_BOUND, f"{alone:.3f}", True, COMMAND),
        Row(
            f"AUROC of the largest effect, {what}",
            f">= {_LEAST}", f"{largest:.3f}", largest >= _LEAST, COMMAND,
        ),
    ]  # fmt: skip
