"""The matrix of methods: how far the heatmaps of each two agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.language import say
from xai_audit.report.plots.canvas import BLUE, INK, LINE, RED, SOFT, new_axes, new_figure
from xai_audit.report.words import two

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

_TOP, _MARGIN, _LETTER = 50, 14, 7.8
# With up to so many methods, the side of a cell, px, and the size of its number.
_SIDES = ((8, 56, 13), (14, 44, 13), (10_000, 34, 12))
# Opacity of a correlation of 1: numbers in ink can be read on it, on light paper and on dark.
_STRONGEST = 0.45


@dataclass(frozen=True)
class Matrix:
    """The plot.

    Attributes:
        names: of the methods, those that agree beside each other.
        values: mean rank correlations by row and column; NaN where undefined and of a method
            with itself.
        alt: the plot in words.
    """

    names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    alt: str
    name: str = "agreement"

    @property
    def width(self) -> int:
        """Of the plot, px."""
        return max(460, self._left + self._side[0] * len(self.names) + _MARGIN)

    @property
    def height(self) -> int:
        """Of the plot, px."""
        return _TOP + self._side[0] * len(self.names) + _MARGIN

    @property
    def _side(self) -> tuple[int, int]:
        return next((side, size) for most, side, size in _SIDES if len(self.names) <= most)

    @property
    def _left(self) -> int:
        return round(2 * _MARGIN + 24 + _LETTER * max(map(len, self.names)))

    def figure(self) -> Figure:
        """The plot drawn: a numbered row and column a method, the number where two meet."""
        from matplotlib.collections import PolyCollection

        figure, (side, size) = new_figure(self.width, self.height), self._side
        count = len(self.names)
        right = self.width - self._left - side * count
        axes = new_axes(figure, left=self._left, top=_TOP, right=right, bottom=_MARGIN)
        axes.set(xlim=(0, count), ylim=(count, 0))
        cells = [
            (row, column, value)
            for row, values in enumerate(self.values)
            for column, value in enumerate(values)
            if row != column
        ]
        squares = [[(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)] for y, x, _ in cells]
        axes.add_collection(
            PolyCollection(
                squares,
                facecolors=[(RED if value < 0 else BLUE) for *_, value in cells],
                alpha=[0 if np.isnan(value) else _STRONGEST * abs(value) for *_, value in cells],
                linewidth=0,
            )
        )
        axes.hlines(range(count + 1), 0, count, color=LINE, linewidth=1)
        axes.vlines(range(count + 1), 0, count, color=LINE, linewidth=1)
        for row, column, value in cells:
            said = _number(value)
            axes.text(column + 0.5, row + 0.5, said, ha="center", va="center", fontsize=size)
        middles = [place + 0.5 for place in range(count)]
        axes.set_yticks(middles, [f"{name}  {i}" for i, name in enumerate(self.names, 1)])
        axes.set_xticks(middles, [str(i) for i in range(1, count + 1)])
        axes.xaxis.tick_top()
        axes.tick_params(length=0, pad=6)
        axes.tick_params("y", labelcolor=INK)
        figure.text(
            _MARGIN / self.width,
            1 - 18 / self.height,
            say("Mean rank correlation of two methods' heatmaps"),
            color=SOFT,
        )
        return figure


def matrix(correlations: Mapping[tuple[str, str], float]) -> Matrix:
    """The plot of the mean rank correlation of each two methods.

    Args:
        correlations: (method, other method), each pair once; NaN where undefined.
    """
    names = _side_by_side(correlations)
    values = tuple(
        tuple(
            float(correlations.get((name, other), correlations.get((other, name), np.nan)))
            for other in names
        )
        for name in names
    )
    texts = [
        f"{say('{first} and {last}', first=name, last=other)} {_number(values[row][column])}"
        for row, name in enumerate(names)
        for column, other in enumerate(names[:row])
    ]
    alt = say(
        "Matrix of {number} methods by mean rank correlation: {pairs}.",
        number=len(names),
        pairs=say("; ").join(texts),
    )
    return Matrix(tuple(names), values, alt)


def _number(value: float) -> str:
    """The correlation to two decimals without the 0 before the point, or a dash."""
    if np.isnan(value):
        return "–"
    return two(float(value)).replace("0.", ".") if abs(value) < 1 else two(float(value))


def _side_by_side(correlations: Mapping[tuple[str, str], float]) -> Sequence[str]:
    """The methods, those that agree beside each other: the leaves of average linkage.

    Of the four ways to join two rows of methods the one with the closest ends is taken.
    """
    names = sorted({name for pair in correlations for name in pair})
    distance = np.zeros((len(names), len(names)))
    for (name, other), value in correlations.items():
        here, there = names.index(name), names.index(other)
        distance[here, there] = distance[there, here] = 1 if np.isnan(value) else 1 - value
    rows = [[place] for place in range(len(names))]
    while len(rows) > 1:
        pairs = [(a, b) for a in range(len(rows)) for b in range(a + 1, len(rows))]
        a, b = min(pairs, key=lambda pair: distance[np.ix_(rows[pair[0]], rows[pair[1]])].mean())
        second, first = rows.pop(b), rows.pop(a)
        joins = [(p, q) for p in (first, first[::-1]) for q in (second, second[::-1])]
        p, q = min(joins, key=lambda join: distance[join[0][-1], join[1][0]])
        rows.append([*p, *q])
    return [names[place] for place in rows[0]] if rows else []
