"""``boundaries.parquet``: both directions of every confused pair, and where their maps differ."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xai_audit.confusion.because import because, cues_of
from xai_audit.confusion.gather import Moments, masses, sides
from xai_audit.confusion.pairs import CONTRAST, most_confused
from xai_audit.discovery.read import kinds_of_run
from xai_audit.schema import BOUNDARIES, REGIONS
from xai_audit.statistics.intervals import LEVEL, student_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.confusion.gather import Direction, Moments, Side
    from xai_audit.run.paths import RunPaths

log = logging.getLogger(__name__)


def boundaries(
    paths: RunPaths,
    names: Mapping[int, str],
    *,
    pairs: int,
    evidence: Path | None,
    progress: Callable[[int], None],
    made: bool = False,
) -> pa.Table:
    """The table (``schema.BOUNDARIES``), the most confused pair first.

    Empty where no method explained the margin (``contrast`` among ``targets``).

    Args:
        paths: of the run.
        names: model output -> class name.
        pairs: of classes, at most.
        evidence: the evidence of the same scores, None where there is none.
        progress: called with the number of heatmaps just added up.
        made: whether a network made the masks.

    Raises:
        OutputError: a table of the run cannot be read.
    """
    methods = [method for method, kind in kinds_of_run(paths).items() if kind == CONTRAST]
    if not methods:
        log.info("boundary: no heatmap explains a margin; contrast is not among targets")
        return BOUNDARIES.empty_table()
    found = most_confused(paths, names, method=methods[0], pairs=pairs)
    directions = [direction for pair in found for direction in pair.directions]
    seen = sides(paths, names, directions, methods, progress)
    where = masses(paths, names, {name for name, _ in directions})
    cues = cues_of(evidence, {name for name, _ in directions})
    rows = []
    for number, direction in enumerate(directions):
        for method in methods:
            side = seen[direction, method]
            row = _row(direction, side, _difference(where, direction, method))
            row |= {"pair": number // 2 + 1, "method": method}
            known = {} if cues is None else cues
            mine, others = (known.get((name, method)) for name in direction)
            row |= {"because": because(row, mine, others, made=made)}
            if mine is not None:
                row |= {"cues": [cue for cue, _ in mine], "verdicts": [v for _, v in mine]}
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=BOUNDARIES)


def _difference(
    where: Mapping[tuple[Direction, str], Moments], direction: Direction, method: str
) -> Difference:
    """The photos of a direction against the class's photos with any other rival."""
    others = [
        moments
        for ((name, other), by), moments in where.items()
        if name == direction[0] and other != direction[1] and by == method
    ]
    return difference(where.get((direction, method), Moments()), others)


def _row(direction: Direction, side: Side, differ: Difference) -> dict[str, Any]:
    """The measured columns of a row; None where undefined."""
    named = side.nearest_first
    row: dict[str, Any] = {
        "class_name": direction[0],
        "other_class": direction[1],
        "n_images": len(side.margins),
        "n_confused": side.confused,
        "n_undefined": side.undefined,
        "n_others": differ.others,
        "margin_mean": float(np.mean(side.margins)) if side.margins else None,
        "margin_median": float(np.median(side.margins)) if side.margins else None,
        "image_ids": [image_id for image_id, _ in named],
        "margins": [margin for _, margin in named],
    }
    for place, region in enumerate(REGIONS):
        row[f"mass_{region}"] = _known(differ.mass[place])
        row[f"excess_{region}"] = _known(differ.excess[place])
    if (widest := differ.region) is not None:
        ends = {"excess": differ.excess, "low": differ.low, "high": differ.high}
        row |= {"region": REGIONS[widest]}
        row |= {f"region_{name}": _known(values[widest]) for name, values in ends.items()}
    if side.maps:
        row |= {"mean_map": (side.total / side.maps).ravel().tolist()}
        row |= {"height": side.grid[0], "width": side.grid[1]}
    return row


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True)
class Difference:
    """Masses of the photos on a boundary, and how they differ; NaN is undefined.

    Attributes:
        mass: (R,) mean over the photos.
        excess: (R,) that minus the mean over the class's other photos.
        low: (R,) of the excess; in 95 % of cases the intervals of all regions hold together.
        high: (R,) of the excess.
        others: number of the class's other photos.
    """

    mass: NDArray[np.float64]
    excess: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    others: int

    @property
    def region(self) -> int | None:
        """The index of the region with the largest absolute excess, None where all are unknown.

        It is chosen among those with an interval that excludes 0; else among those with an
        interval; else among all.
        """
        for among in (
            (self.low > 0) | (self.high < 0),
            ~np.isnan(self.low),
            ~np.isnan(self.excess),
        ):
            if among.any():
                return int(np.argmax(np.where(among, np.abs(self.excess), -1.0)))
        return None


def difference(inside: Moments, outside: Sequence[Moments]) -> Difference:
    """How the photos of ``inside`` differ from those of ``outside`` together.

    The interval is Welch's (1947, Biometrika 34, 28), at Bonferroni's level, since the largest of
    several differences is reported.
    """
    count, total, squares = (
        sum((getattr(one, name) for one in outside), np.zeros(len(REGIONS)))
        for name in ("count", "total", "squares")
    )
    mass, error, free = _mean(inside.count, inside.total, inside.squares)
    other, other_error, other_free = _mean(count, total, squares)
    excess, square = mass - other, error + other_error
    known = max(1, int((~np.isnan(excess)).sum()))
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = square**2 / (error**2 / free + other_error**2 / other_free)
    # Without any spread the interval has no width, whatever the degrees of freedom.
    freedom = np.where(square > 0, freedom, 1.0)
    ends = student_interval(excess, np.sqrt(square), freedom, level=1 - (1 - LEVEL) / known)
    low, high = (end.clip(-1, 1) for end in ends)
    return Difference(mass, excess, low, high, sum(one.photos for one in outside))


def _mean(
    count: NDArray[np.float64], total: NDArray[np.float64], squares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, its squared standard error and the degrees of freedom, each (R,); x/0 is NaN."""
    some = np.where(count > 0, count, np.nan)
    free = np.where(count > 1, count - 1, np.nan)
    mean = total / some
    variance = ((squares - some * mean**2) / free).clip(min=0)
    return mean, variance / some, free
