"""``boundaries.parquet``: both directions of every confused pair, by each method."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xai_audit.confusion.because import because
from xai_audit.confusion.cues import cues_of
from xai_audit.confusion.difference import difference
from xai_audit.confusion.gather import Moments, masses, sides
from xai_audit.confusion.pairs import CONTRAST, most_confused
from xai_audit.discovery.read import kinds_of_run
from xai_audit.schema import BOUNDARIES, REGIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from xai_audit.confusion.difference import Difference
    from xai_audit.confusion.gather import Direction, Side
    from xai_audit.run.paths import RunPaths

log = logging.getLogger(__name__)


def boundaries(
    paths: RunPaths,
    names: Mapping[int, str],
    *,
    pairs: int,
    evidence: Path | None,
    progress: Callable[[int], None],
) -> pa.Table:
    """The table (``schema.BOUNDARIES``), the most confused pair first.

    Empty where no method explained the margin (``contrast`` among ``targets``).

    Args:
        paths: of the run.
        names: model output -> class name.
        pairs: of classes, at most.
        evidence: the evidence of the same scores, None where there is none.
        progress: called with the number of heatmaps just added up.

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
            row |= {"because": because(row, mine, others)}
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
