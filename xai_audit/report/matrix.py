"""The matrix of methods: how far the heatmaps of each two agree, as places and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.report.words import two

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TOP, _MARGIN, _LETTER = 50, 14, 7.4
# With up to so many methods, the side of a cell, px.
_SIDES = ((8, 56), (14, 44), (10_000, 34))
# At this strength of colour and above, the number is drawn in the light colour.
_DARK = 0.6


@dataclass(frozen=True)
class Square:
    """One cell: two methods.

    Attributes:
        x: of its left side, px.
        y: of its top, px.
        number: the correlation to two decimals without the 0 before the point, or a dash.
        strength: of the colour, 0..1.
        against: whether the correlation is negative.
        dark: whether the number is read more easily in the paper's colour.
        text: methods and correlation in words.
    """

    x: int
    y: int
    number: str
    strength: float
    against: bool
    dark: bool
    text: str


@dataclass(frozen=True)
class Matrix:
    """The picture as places and words; the template draws it.

    Attributes:
        names: of the methods, those that agree beside each other.
        squares: of each two methods, both ways.
        side: of a cell, px.
        left: of the first column, px.
        top: of the first row, px.
        width: of the picture, px.
        height: of the picture, px.
        alt: the picture in words.
    """

    names: tuple[str, ...]
    squares: tuple[Square, ...]
    side: int
    left: int
    top: int
    width: int
    height: int
    alt: str


def matrix(correlations: Mapping[tuple[str, str], float]) -> Matrix:
    """The picture of the mean rank correlation of each two methods.

    Args:
        correlations: (method, other method), each pair once; NaN where undefined.
    """
    names = _side_by_side(correlations)
    side = next(side for most, side in _SIDES if len(names) <= most)
    left = round(2 * _MARGIN + 20 + _LETTER * max(map(len, names)))
    squares = tuple(
        _square(
            (name, other),
            correlations.get((name, other), correlations.get((other, name), np.nan)),
            x=left + side * column,
            y=_TOP + side * row,
        )
        for row, name in enumerate(names)
        for column, other in enumerate(names)
        if name != other
    )
    texts = [s.text for s in squares if s.x - left < s.y - _TOP]  # each pair once
    return Matrix(
        names=tuple(names),
        squares=squares,
        side=side,
        left=left,
        top=_TOP,
        width=max(460, left + side * len(names) + _MARGIN),
        height=_TOP + side * len(names) + _MARGIN,
        alt=f"Matrix of {len(names)} methods by mean rank correlation: {'; '.join(texts)}.",
    )


def _square(names: tuple[str, str], value: float, *, x: int, y: int) -> Square:
    known = not np.isnan(value)
    number = two(float(value)) if known else "–"
    return Square(
        x=x,
        y=y,
        number=number.replace("0.", ".") if abs(value) < 1 else number,
        strength=round(min(1.0, abs(value)), 3) if known else 0.0,
        against=known and value < 0,
        dark=known and abs(value) >= _DARK,
        text=f"{names[0]} and {names[1]} {number}",
    )


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
