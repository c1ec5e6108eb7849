"""How the audit's answer grows with the share of photos that carry an artefact: table and plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from tests.bench.planted.outcome import COMMAND, Outcome, effect, number
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def share(outcome: Outcome) -> float:
    """Of the audited photos of the planted label, those with the artefact; NaN where unknown."""
    label = outcome.scenario.planted
    photos = outcome.n_photos.get(label, 0)
    return len(outcome.carriers.get(label, ())) / photos if photos else float("nan")


def estimate(outcome: Outcome) -> tuple[float, float, float]:
    """The audit's share of carriers, its lower and upper end; NaN where it has none."""
    plant = outcome.scenario.plant
    row = outcome.cell(outcome.scenario.planted, plant.cue) if plant else pd.Series(dtype=object)
    value, low, high = (number(row, f"carrier_share{end}") for end in ("", "_low", "_high"))
    return value, low, high


def table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """A row a scenario of a share: share, truth, the audit's share with its interval, effect."""
    found = []
    for outcome in outcomes:
        scenario, plant = outcome.scenario, outcome.scenario.plant
        if plant is None or scenario.share == 1:
            continue
        value, low, high = estimate(outcome)
        cell = outcome.cell(scenario.planted, plant.cue)
        found.append(
            {
                "artefact": scenario.name.rpartition("_")[0],
                "share": share(outcome),
                "truth": outcome.truth[scenario.planted]["truth"],
                "carrier_share": value,
                "carrier_share_low": low,
                "carrier_share_high": high,
                "effect": effect(cell),
                "verdict": cell.get("verdict", "absent"),
            }
        )
    return pd.DataFrame(found)


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """A row an artefact: share of carriers, truth, the audit's share and effect, dose by dose."""
    found = table(outcomes)
    if not len(found):
        return []
    return [
        Row(
            f"{artefact}: share, truth; share found, effect, verdict",
            NO_BOUND,
            " | ".join(_dose(row) for row in doses.sort_values("share").itertuples()),
            True,
            COMMAND,
        )
        for artefact, doses in found.groupby("artefact")
    ]


def _dose(row: pd.Series) -> str:
    interval = (
        f"{row.carrier_share:.2f} [{row.carrier_share_low:.2f}, {row.carrier_share_high:.2f}]"
    )
    return f"{row.share:.2f}, {row.truth:.2f}; {interval}, {row.effect:.2f}, {row.verdict}"


def plotted(outcomes: Sequence[Outcome], file: Path) -> None:
    """Writes the plot of share against the share that was found, and of share against effect."""
    found = table(outcomes)
    if not len(found):
        return
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for artefact, doses in found.groupby("artefact"):
        by_share = doses.sort_values("share")
        below = by_share["carrier_share"] - by_share["carrier_share_low"]
        above = by_share["carrier_share_high"] - by_share["carrier_share"]
        left.errorbar(
            by_share["share"], by_share["carrier_share"], [below, above], marker="o", capsize=2
        )
        right.plot(by_share["share"], by_share["effect"], marker="o", label=artefact)
    left.plot([0, 0.6], [0, 0.6], color="grey", linewidth=0.8)
    left.set(xlabel="share of photos with the artefact", ylabel="share of carriers found")
    right.set(xlabel="share of photos with the artefact", ylabel="effect reported", ylim=(-0.05, 1))
    right.legend(fontsize=6)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
