"""The forest plot: the effect of every cue that is not clear, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.language import said, say
from xai_audit.report.answers import worst_first
from xai_audit.report.plots.canvas import (
    BLUE,
    INK,
    LINE,
    PAPER,
    RED,
    SOFT,
    cut,
    headed,
    new_axes,
    new_figure,
)
from xai_audit.report.words import interval, printable, two
from xai_audit.run.verdicts import CLEAR, CONFIRMED, USED_BELOW, cue_words
from xai_audit.schema import CARRIER_PULL, PULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from xai_audit.report.answers import Finding

# With more rows the plot would be unreadable.
MOST_ROWS = 40
_NAMED = 5
_ROW, _TOP, _BOTTOM = 26, 34, 44
_LEFT, _RIGHT, _WIDTH = 280, 260, 920
_GAP = 14  # px between the axis and what stands beside it
_STEPS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class ForestRow:
    """One line of the plot.

    Attributes:
        class_name: of the cell.
        cue: of the cell.
        verdict: in one word.
        used: whether the effect is above 0, but not surely above the limit.
        cause: the cue that explains the effect, or None.
        pull: whether the effect is a pull on photos of other classes.
        effect: a change of probability.
        low: the interval's lower end; where there is no interval, the effect.
        high: its upper end.
        interval: whether there is one.
    """

    class_name: str
    cue: str
    verdict: str
    used: bool
    cause: str | None
    pull: bool
    effect: float
    low: float
    high: float
    interval: bool

    @property
    def label(self) -> str:
        """Class and cue in words."""
        return printable(f"{self.class_name} · {cue_words(self.cue)}")

    @property
    def comment(self) -> str:
        """The verdict, or what else explains the effect."""
        return (
            self._verdict
            if self.cause is None
            else say("due to its {cue}", cue=cue_words(self.cause))
        )

    @property
    def text(self) -> str:
        """Label, numbers and verdict."""
        between = f" ({interval(self.low, self.high)})" if self.interval else ""
        return f"{self.label} {two(self.effect)}{between}{say(', ')}{self._verdict}"

    @property
    def _verdict(self) -> str:
        word = said(self.verdict)
        return (
            say("{verdict}: {words}", verdict=word, words=said(USED_BELOW)) if self.used else word
        )


@dataclass(frozen=True)
class Forest:
    """The plot.

    Attributes:
        rows: largest effect first.
        left_out: findings that had no space.
        unmeasured: findings without any number.
    """

    rows: tuple[ForestRow, ...]
    left_out: int
    unmeasured: int
    name: str = "effects"
    width: int = _WIDTH

    @property
    def height(self) -> int:
        """Of the plot, px."""
        return _TOP + _ROW * len(self.rows) + _BOTTOM

    @property
    def alt(self) -> str:
        """The plot in words, its first lines in full."""
        rows = say("; ").join(row.text for row in self.rows[:_NAMED])
        more = len(self.rows) - _NAMED
        rows += say("; and {number} more", number=more) if more > 0 else ""
        return say("Forest plot of effects with 95 % intervals, largest first: {rows}.", rows=rows)

    @property
    def has_pull(self) -> bool:
        """Whether any line shows a pull."""
        return any(row.pull for row in self.rows)

    def figure(self) -> Figure:
        """The plot drawn: a line a row, first on top."""
        figure = new_figure(self.width, self.height)
        axes = new_axes(figure, left=_LEFT, top=_TOP, right=_RIGHT, bottom=_BOTTOM)
        lowest = min(row.low for row in self.rows)
        steps = [step for step in _STEPS if step >= 0 or lowest < step / 2]
        axes.set_xlim(min(steps[0], lowest, -0.05), max(1, *(row.high for row in self.rows), 1))
        axes.set_xticks(steps, [f"{step:+.2g}" if step else "0" for step in steps])
        axes.set_ylim(len(self.rows) - 0.5, -0.5)
        labels = [cut(row.label, _LEFT - 2 * _GAP) for row in self.rows]
        axes.set_yticks(range(len(self.rows)), labels)
        axes.tick_params("y", pad=_GAP, labelcolor=INK)
        axes.grid(axis="x", color=LINE)
        axes.axvline(0, color=SOFT, linewidth=1)
        headed(axes, say("Change of the probability of the class, with 95 % interval"))
        colours = [RED if row.verdict == CONFIRMED else BLUE for row in self.rows]
        ends = [row.low for row in self.rows], [row.high for row in self.rows]
        axes.hlines(range(len(self.rows)), *ends, colors=colours, linewidth=2)
        for pull, colour in ((False, RED), (False, BLUE), (True, RED), (True, BLUE)):
            marks = [
                (row.effect, place)
                for place, row in enumerate(self.rows)
                if (row.pull, colours[place]) == (pull, colour)
            ]
            if marks:
                axes.plot(
                    *zip(*marks, strict=True),
                    marker="D" if pull else "o",
                    markersize=8,
                    linestyle="",
                    markeredgecolor=colour,
                    markeredgewidth=2,
                    markerfacecolor=PAPER if pull else colour,
                )
        for place, row in enumerate(self.rows):
            axes.annotate(
                *(cut(row.comment, _RIGHT - 2 * _GAP), (1, place), (_GAP, 0)),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                va="center",
                color=SOFT,
            )
        return figure


def forest(findings: Sequence[Finding]) -> Forest | None:
    """The plot of the findings that are not clear, None where none of them has a number."""
    open_cells = [f for f in findings if f.verdict != CLEAR]
    known = worst_first([f for f in open_cells if f.effect is not None])
    shown = known[:MOST_ROWS]
    if not shown:
        return None
    return Forest(
        rows=tuple(map(_row, shown)),
        left_out=len(known) - len(shown),
        unmeasured=len(open_cells) - len(known),
    )


def _row(finding: Finding) -> ForestRow:
    effect = 0.0 if finding.effect is None else finding.effect
    low, high = (effect if end is None else end for end in (finding.low, finding.high))
    return ForestRow(
        class_name=finding.class_name,
        cue=finding.cue,
        verdict=finding.verdict,
        used=finding.used,
        cause=finding.row["explained_by"],
        pull=finding.question in (PULL, CARRIER_PULL),
        effect=effect,
        low=low,
        high=high,
        interval=finding.low is not None,
    )
