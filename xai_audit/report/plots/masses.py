"""Mass against area: the share of relevance that a region takes in each class, and its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_audit.language import mark, said, say, spoken
from xai_audit.report.plots.canvas import (
    COLOURS,
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
from xai_audit.report.words import percent, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

# Classes drawn, and points named beside the plot.
MOST_CLASSES, _NAMED = 200, 12
# Region -> colour and mark.
_MARKS = {
    "object": ("blue", "o"),
    "background": ("soft", "s"),
    "border": ("vermilion", "^"),
    mark("corners"): ("purple", "D"),
}


@dataclass(frozen=True)
class Mass:
    """Means of one class and region: shares of relevance and of pixels, 0..1."""

    class_name: str
    region: str
    mass: float
    area: float

    @property
    def excess(self) -> float:
        """Mass above area."""
        return self.mass - self.area


@dataclass(frozen=True)
class Masses:
    """The plot.

    Attributes:
        points: of the classes shown, in their order.
        named: those outside the object with the largest excess of mass over area.
        classes: shown.
        left_out: classes that are not shown, those with the smallest excess.
    """

    points: tuple[Mass, ...]
    named: tuple[Mass, ...]
    classes: int
    left_out: int
    name: str = "masses"
    width: int = SQUARE[0]
    height: int = SQUARE[1]

    @property
    def alt(self) -> str:
        """The plot in words, with the named points."""
        named = say("; ").join(
            say(
                "{name}, {cue}: {mass} of the relevance on {area} of the area",
                name=printable(p.class_name),
                cue=said(p.region),
                mass=percent(p.mass),
                area=percent(p.area),
            )
            for p in self.named
        )
        text = say("Share of the relevance against share of the area, a mark a class and region.")
        if not named:
            return text
        furthest = say("Furthest above the diagonal, outside the object: {points}.", points=named)
        return f"{text}{spoken().gap}{furthest}"

    def figure(self) -> Figure:
        """The plot drawn."""
        figure = new_figure(self.width, self.height)
        axes = square_axes(figure)
        most = max(0.1, *(value for p in self.points for value in (p.mass, p.area)))
        axes.set(xlim=(0, 1.03 * most), ylim=(0, 1.03 * most))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _place: f"{value:.0%}")
        axes.set_xlabel(say("Area: share of the photo"), labelpad=8)
        axes.grid(color=LINE)
        axes.plot([0, 2], [0, 2], color=SOFT, linewidth=1, linestyle="--")
        for region, (colour, shape) in _MARKS.items():
            points = [p for p in self.points if p.region == region]
            if points:
                axes.plot(
                    [p.area for p in points],
                    [p.mass for p in points],
                    marker=shape,
                    linestyle="",
                    label=said(region),
                    markersize=8,
                    markerfacecolor=COLOURS[colour][0],
                    markeredgecolor=PAPER,
                )
        headed(axes, say("Mass: share of the relevance"))
        add_legend(axes)
        named = [(p.area, p.mass, f"{p.class_name} · {said(p.region)}") for p in self.named]
        name_beside(axes, named)
        return figure


def masses(table: Mapping[str, Any] | None) -> Masses | None:
    """The plot of one method; None where no mass is known.

    Args:
        table: as ``report.tables.method_tables`` gives it.
    """
    by_class = {row["class_name"]: _points(row) for row in table["rows"]} if table else {}
    found = {name: points for name, points in by_class.items() if points}
    if not found:
        return None
    ranked = sorted(found, key=lambda name: -_largest(found[name]))
    kept = {*ranked[:MOST_CLASSES]}
    points = [p for name, mine in found.items() if name in kept for p in mine]
    outside = [p for p in points if p.region != "object" and p.excess > 0]
    return Masses(
        points=tuple(points),
        named=tuple(sorted(outside, key=lambda p: -p.excess)[:_NAMED]),
        classes=len(kept),
        left_out=len(found) - len(kept),
    )


def _points(row: Mapping[str, Any]) -> list[Mass]:
    found = []
    for region in _MARKS:
        mass, area = (row["regions"][region][what] for what in ("mass", "area"))
        if mass is not None and area is not None:
            found.append(Mass(row["class_name"], region, mass, area))
    return found


def _largest(points: list[Mass]) -> float:
    """The largest excess outside the object, or on it where nothing else is known."""
    outside = [p.excess for p in points if p.region != "object"]
    return max(outside or [p.excess for p in points])
