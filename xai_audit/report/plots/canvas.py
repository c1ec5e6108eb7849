"""What all plots share: colours, fonts, axes, and the files of a plot; matplotlib without pyplot.

matplotlib is imported when something is drawn: no other command waits for it.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from xai_audit.language import speaking
from xai_audit.report.plots.fonts import FALLBACKS, drawn_language
from xai_audit.report.words import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Name -> colour on light paper and on dark: those of the page, then blue, vermilion and purple of
# Okabe and Ito, made dark (light) enough to be seen. Marks differ in shape as well.
COLOURS = {
    "paper": ("#fbfaf7", "#15171a"),
    "ink": ("#1e1f21", "#e6e4df"),
    "soft": ("#5b5e63", "#a4a7ac"),
    "line": ("#dcd9d1", "#33363b"),
    "confirmed": ("#a3271b", "#f28b7d"),
    "other": ("#1f5f8b", "#8cc4ea"),
    "blue": ("#0072b2", "#56b4e9"),
    "vermilion": ("#c25200", "#f09a4a"),
    "purple": ("#5e1f58", "#f4d3e8"),
}
PAPER, INK, SOFT, LINE, RED, BLUE = (light for light, _ in [*COLOURS.values()][:6])
_POINTS, _RESOLUTION = 72, 144  # px of a figure an inch; dots an inch of its PNG
_FONT, _SMALL = 13, 12
_SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'
# Margins and sides of square axes, px, and the size of their figure.
_TOP, _BOTTOM, _LEFT, _RIGHT, _SIDE = 62, 56, 66, 330, 400
SQUARE = (_LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BOTTOM)
_NAMES = 290  # px for a name on the right
_LINE_HEIGHT = 16  # px between two names beside a plot


class Plot(Protocol):
    """A plot as numbers and words."""

    @property
    def name(self) -> str:
        """Of its files."""

    @property
    def width(self) -> int:
        """In px."""

    @property
    def height(self) -> int:
        """In px."""

    @property
    def alt(self) -> str:
        """The plot in words."""

    def figure(self) -> Figure:
        """The plot drawn."""


def files_of(plot: Plot) -> dict[str, bytes]:
    """File name -> content: the plot as SVG, light and dark in one, and as PNG on light paper.

    The same plot is the same bytes. In the SVG text is text, which the viewer's fonts draw; in the
    PNG a letter that no installed font has is a box.
    """
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings(), speaking(drawn_language()):
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box in the PNG alone
        mpl.rcParams.update(_settings())
        figure, svg, png = plot.figure(), BytesIO(), BytesIO()
        known = {"Date": None, "Creator": None, "Title": plot.name}
        figure.savefig(svg, format="svg", metadata=known)
        known = {"Software": None}
        figure.savefig(png, format="png", dpi=_RESOLUTION, facecolor=PAPER, metadata=known)
    drawn = svg.getvalue().replace(b"<defs>", f"<style>{_style()}</style><defs>".encode(), 1)
    return {f"{plot.name}.svg": drawn, f"{plot.name}.png": png.getvalue()}


def _settings() -> Any:  # noqa: ANN401 - matplotlib names every key in the type
    """What is drawn with, whatever the user has set for plots of their own."""
    from matplotlib import rcParamsDefault
    from matplotlib.font_manager import fontManager

    plain: dict[Any, Any] = {
        key: value for key, value in rcParamsDefault.items() if key != "backend"
    }
    installed = {font.name for font in fontManager.ttflist}
    return plain | {
        "font.family": ["DejaVu Sans", *(name for name in FALLBACKS if name in installed)],
        "font.size": _FONT,
        "svg.fonttype": "none",
        "svg.hashsalt": "xai_audit",
        "text.parse_math": False,  # a class may be named $x$
        "text.color": INK,
        "axes.labelcolor": SOFT,
        "axes.unicode_minus": False,
        "lines.dashed_pattern": (4, 3),
    }


def _style() -> str:
    """The page's fonts; where the reader prefers it, every light colour as its dark one."""
    rules = [
        f'[style*="{what}: {light}"] {{ {what}: {dark} !important }}'
        for light, dark in COLOURS.values()
        for what in ("fill", "stroke")
    ]
    dark = f"@media (prefers-color-scheme: dark) {{ {' '.join(rules)} }}"
    return f"svg {{ color-scheme: light dark }} text {{ font-family: {_SANS} !important }} {dark}"


def new_figure(width: int, height: int) -> Figure:
    """An empty figure of that size in px, without a background."""
    from matplotlib.figure import Figure

    return Figure((width / _POINTS, height / _POINTS), dpi=_POINTS, facecolor="none")


def new_axes(figure: Figure, *, left: int, top: int, right: int, bottom: int) -> Axes:
    """Bare axes with margins in px: no frame, no ticks, soft grid lines behind all marks."""
    width, height = figure.get_size_inches() * _POINTS
    axes = figure.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height),
        facecolor="none",
    )
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, pad=8, labelcolor=SOFT)
    axes.set_axisbelow(True)
    return axes


def square_axes(figure: Figure) -> Axes:
    """Axes of equal sides in a figure of :data:`SQUARE`: for marks that are named on the right."""
    return new_axes(figure, left=_LEFT, top=_TOP, right=_RIGHT, bottom=_BOTTOM)


def headed(axes: Axes, text: str) -> None:
    """Write ``text`` above the axes, from their left end on."""
    axes.annotate(
        text, (0, 1), (0, 12), xycoords="axes fraction", textcoords="offset points", color=SOFT
    )


def add_legend(axes: Axes) -> None:
    """Explain the labelled marks in one line above what the axes are headed with."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.07),
        ncols=len(axes.get_legend_handles_labels()[1]),
        frameon=False,
        borderpad=0,
        handletextpad=0.1,
        columnspacing=1.2,
    )


def name_beside(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Name points (x, y, name) in a column right of the axes, with a line from each to its name.

    Names do not overlap as long as there is a line of text a point in the height of the axes; each
    is cut to the width beside square axes.
    """
    size = axes.get_window_extent().height
    wanted = [axes.transData.transform((x, y))[1] - axes.bbox.y0 for x, y, _ in points]
    places = spread(wanted, _LINE_HEIGHT, size)
    for (x, y, name), place in zip(points, places, strict=True):
        at = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
        ends = [(at[0], 1.03), (at[1], place / size)]
        axes.plot(
            *ends, transform=axes.transAxes, color=SOFT, linewidth=0.6, clip_on=False, zorder=1
        )
        axes.text(
            *(1.04, place / size, cut(name, _NAMES, _SMALL)),
            transform=axes.transAxes,
            va="center",
            fontsize=_SMALL,
        )


def spread(wanted: Sequence[float], gap: float, most: float) -> list[float]:
    """Places close to those wanted, in their order, ``gap`` apart and within 0..``most``."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    last = gap / 2 - gap
    for i in order:
        places[i] = last = max(wanted[i], last + gap)
    last = most - gap / 2 + gap
    for i in reversed(order):
        places[i] = last = min(places[i], last - gap)
    return places


def cut(text: str, width: float, size: int = _FONT) -> str:
    """``text`` on one line and at most ``width`` px wide, an ellipsis where something is cut."""
    text = printable(text)
    if sum(_advance(char, size) for char in text) <= width:
        return text
    left, kept = width - _advance("…", size), ""
    for char in text:
        left -= _advance(char, size)
        if left < 0:
            break
        kept += char
    return f"{kept.rstrip()}…"


@lru_cache(maxsize=4096)
def _advance(char: str, size: int) -> float:
    """The width of a letter in DejaVu Sans, px; of one that it lacks, as wide as letters get."""
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.ft2font import LoadFlags

    font = get_font(findfont("DejaVu Sans"))
    if not font.get_char_index(ord(char)):
        return float(size)
    font.set_size(size, _POINTS)
    return float(font.load_char(ord(char), flags=LoadFlags.NO_HINTING).linearHoriAdvance) / 65536
