"""What the audits said of some kinds of scenario: of another trunk, other sizes, without masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.planted.outcome import COMMAND
from tests.bench.planted.scenario import CONVNEXT
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from tests.bench.planted.scenario import Scenario

_KINDS: dict[str, Callable[[Scenario], bool]] = {
    "a small ConvNeXt": lambda scenario: scenario.trunk == CONVNEXT,
    "photos of several sizes and shapes": lambda scenario: scenario.sizes,
    "no masks": lambda scenario: not scenario.masks,
}


def rows(cells: pd.DataFrame, scenarios: Sequence[Scenario]) -> list[Row]:
    """A row a kind that any scenario is of.

    Args:
        cells: with a known truth: scenario, class_name, cue, positive, verdict.
        scenarios: those that were audited.
    """
    found = []
    for kind, is_of in _KINDS.items():
        names = {scenario.name for scenario in scenarios if is_of(scenario)}
        if names:
            mine = cells[cells["scenario"].isin(names)]
            what = f"{kind}, {len(names)} scenarios: positive cells confirmed; negative ones"
            found.append(Row(what, NO_BOUND, _counted(mine), True, COMMAND))
    return found


def _counted(cells: pd.DataFrame) -> str:
    positive = cells["positive"].astype(bool)
    confirmed = cells["verdict"] == "confirmed"
    counts = (
        f"{(positive & confirmed).sum()} of {positive.sum()}; "
        f"{(~positive & confirmed).sum()} of {(~positive).sum()}"
    )
    wrong = cells[positive != confirmed]
    names = [f"{r.scenario} {r.class_name}/{r.cue} {r.verdict}" for r in wrong.itertuples()]
    return counts + (f": {', '.join(names)}" if names else "")
