"""The forest plot: the effect of every cue that is not clear, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.report.answers import worst_first
from xai_audit.report.words import printable, two
from xai_audit.run.verdicts import CLEAR, USED_BELOW, cue_words
from xai_audit.schema import CARRIER_PULL, PULL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xai_audit.report.answers import Finding

# With more rows the plot would be unreadable.
MOST_ROWS = 40
_NAMED = 5
_ROW, _TOP, _BOTTOM = 26, 34, 44
_LEFT, _RIGHT, _WIDTH = 290, 230, 920
# Letters that the space left and right of the axis holds.
_LETTERS, _COMMENT_LETTERS = 40, 32
_STEPS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class ForestRow:
    """One line of the plot; places in px.

    Attributes:
        label: class and cue, cut to its space.
        verdict: in one word.
        comment: the verdict, or what else explains the effect.
        pull: whether the effect is a pull on photos of other classes.
        text: label and numbers in full.
        y: of the line.
        x: of the estimate.
        low: of the interval's lower end; where there is no interval, of the estimate.
        high: of its upper end.
    """

    label: str
    verdict: str
    comment: str
    pull: bool
    text: str
    y: float
    x: float
    low: float
    high: float


@dataclass(frozen=True)
class Forest:
    """The plot as places and words; the template draws it.

    Attributes:
        rows: largest effect first.
        ticks: (place in px, number) along the axis.
        zero: place of no effect, px.
        left: of the axis, px.
        right: end of the axis, px.
        width: of the picture, px.
        height: of the picture, px.
        left_out: findings that had no space.
        unmeasured: findings without any number.
    """

    rows: tuple[ForestRow, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    left: float
    right: float
    width: int
    height: int
    left_out: int
    unmeasured: int

    @property
    def alt(self) -> str:
        """The plot in words, its first lines in full."""
        rows = "; ".join(row.text for row in self.rows[:_NAMED])
        more = len(self.rows) - _NAMED
        tail = f"; and {more} more" if more > 0 else ""
        return f"Forest plot of effects with 95 % intervals, largest first: {rows}{tail}."

    @property
    def has_pull(self) -> bool:
        """Whether any line shows a pull."""
        return any(row.pull for row in self.rows)


def forest(findings: Sequence[Finding]) -> Forest | None:
    """The plot of the findings that are not clear, None where none of them has a number."""
    open_cells = [f for f in findings if f.verdict != CLEAR]
    known = worst_first([f for f in open_cells if f.effect is not None])
    shown = known[:MOST_ROWS]
    if not shown:
        return None
    lowest = min(value for f in shown for value in (f.low, f.effect) if value is not None)
    steps = [step for step in _STEPS if step >= 0 or lowest < step / 2]
    first = min(steps[0], lowest, -0.05)
    left, right = _LEFT, _WIDTH - _RIGHT

    def place(value: float) -> float:
        return round(left + (right - left) * (value - first) / (1 - first), 1)

    rows = [_row(f, _TOP + _ROW * (i + 0.5), place) for i, f in enumerate(shown)]
    return Forest(
        rows=tuple(rows),
        ticks=tuple((place(step), f"{step:+.2g}" if step else "0") for step in steps),
        zero=place(0),
        left=left,
        right=right,
        width=_WIDTH,
        height=_TOP + _ROW * len(rows) + _BOTTOM,
        left_out=len(known) - len(shown),
        unmeasured=len(open_cells) - len(known),
    )


def _row(finding: Finding, y: float, place: Callable[[float], float]) -> ForestRow:
    effect = 0.0 if finding.effect is None else finding.effect
    low, high = (effect if end is None else end for end in (finding.low, finding.high))
    label = printable(f"{finding.class_name} · {finding.words}")
    between = f" ({two(finding.low)} to {two(finding.high)})" if finding.low is not None else ""
    cause = finding.row["explained_by"]
    said = f"{finding.verdict}: {USED_BELOW}" if finding.used else finding.verdict
    comment = said if cause is None else f"due to its {cue_words(cause)}"
    return ForestRow(
        label=_cut(label, _LETTERS),
        verdict=finding.verdict,
        comment=_cut(printable(comment), _COMMENT_LETTERS),
        pull=finding.question in (PULL, CARRIER_PULL),
        text=f"{label} {two(effect)}{between}, {said}",
        y=y,
        x=place(effect),
        low=place(low),
        high=place(high),
    )


def _cut(text: str, letters: int) -> str:
    """``text``, at most ``letters`` long, an ellipsis where something is cut."""
    return text if len(text) <= letters else f"{text[: letters - 1].rstrip()}…"
