"""Dose and response: the share of photos that carry a cue against what the cue does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.language import say
from xai_audit.report.plots.canvas import (
    BLUE,
    LINE,
    PAPER,
    SOFT,
    SQUARE,
    add_legend,
    headed,
    name_beside,
    new_figure,
    square_axes,
)
from xai_audit.report.words import percent, printable, two
from xai_audit.run.verdicts import cue_words
from xai_audit.schema import CARRIER_PULL, PULL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from matplotlib.figure import Figure

    from xai_audit.report.answers import Finding

MOST_POINTS = 20
_NAMED = 5
_SHARE, _ENDS = "carrier_share", ("_low", "_high")


@dataclass(frozen=True)
class Dose:
    """One class and cue; an interval's end that is not known is the estimate.

    Attributes:
        class_name: of the cell.
        cue: of the cell.
        share: of the class's photos that carry the cue, with its interval: value, low, high.
        response: what the cue of a carrier adds to the class's probability on photos of other
            classes, with its interval.
        mean: the same of any photo of the class, None where not measured.
    """

    class_name: str
    cue: str
    share: tuple[float, float, float]
    response: tuple[float, float, float]
    mean: float | None

    @property
    def label(self) -> str:
        """Class and cue in words."""
        return f"{self.class_name} · {cue_words(self.cue)}"


@dataclass(frozen=True)
class Doses:
    """The plot.

    Attributes:
        points: the largest response first.
        left_out: cells that had no space.
    """

    points: tuple[Dose, ...]
    left_out: int
    name: str = "carriers"
    width: int = SQUARE[0]
    height: int = SQUARE[1]

    @property
    def alt(self) -> str:
        """The plot in words, its first points in full."""
        points = say("; ").join(
            say(
                "{name}: {share} carry it, change {effect}",
                name=printable(p.label),
                share=percent(p.share[0]),
                effect=two(p.response[0]),
            )
            for p in self.points[:_NAMED]
        )
        more = len(self.points) - _NAMED
        points += say("; and {number} more", number=more) if more > 0 else ""
        return say(
            "Share of a class's photos that carry a cue against its effect: {points}.",
            points=points,
        )

    def figure(self) -> Figure:
        """The plot drawn."""
        figure = new_figure(self.width, self.height)
        axes = square_axes(figure)
        lows = [p.response[1] for p in self.points]
        lows += [p.mean for p in self.points if p.mean is not None]
        axes.set(xlim=(-0.02, 1.02), ylim=(min(-0.02, *lows), 1.04))
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value:.0%}")
        axes.set_xlabel(say("Photos of the class that carry the cue"), labelpad=8)
        axes.grid(color=LINE)
        headed(axes, say("Change of the class's probability on photos of other classes"))
        shares, responses = ([getattr(p, k) for p in self.points] for k in ("share", "response"))
        x, y = [s[0] for s in shares], [r[0] for r in responses]
        axes.errorbar(
            x, y, xerr=_arms(shares), yerr=_arms(responses), label=say("given by a carrier"),
            fmt="o", color=BLUE, markersize=8, markeredgecolor=PAPER, elinewidth=1.5,
        )  # fmt: skip
        means = [(p.share[0], p.mean) for p in self.points if p.mean is not None]
        if means:
            axes.plot(
                *zip(*means, strict=True),
                marker="D",
                linestyle="",
                label=say("given by any photo of the class"),
                markerfacecolor=PAPER,
                markeredgecolor=SOFT,
                markersize=7,
            )
        add_legend(axes)
        points = [(p.share[0], p.response[0], p.label) for p in self.points]
        name_beside(axes, points)
        return figure


def doses(findings: Sequence[Finding]) -> Doses | None:
    """The plot of the cells whose carriers are known; None where there are none."""
    found = []
    for finding in findings:
        share, response = (_interval(finding.row, name) for name in (_SHARE, CARRIER_PULL))
        if share and response:
            cell = finding.class_name, finding.cue
            found.append(Dose(*cell, share, response, finding.row[PULL]))
    found.sort(key=lambda dose: -dose.response[0])
    return Doses(tuple(found[:MOST_POINTS]), max(0, len(found) - MOST_POINTS)) if found else None


def _interval(row: Mapping[str, Any], name: str) -> tuple[float, float, float] | None:
    value = row[name]
    if value is None:
        return None
    low, high = (value if row[f"{name}{end}"] is None else row[f"{name}{end}"] for end in _ENDS)
    return value, low, high


def _arms(intervals: Sequence[tuple[float, float, float]]) -> list[list[float]]:
    """The lengths of the intervals below and above their estimates, never negative."""
    below = [max(0.0, value - low) for value, low, _ in intervals]
    return [below, [max(0.0, high - value) for value, _, high in intervals]]
