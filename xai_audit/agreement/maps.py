"""Relevance maps of one method, ranked on the grid of another method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from xai_audit.discovery.shares import cell_shares
from xai_audit.schema import OK

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

Grid = tuple[int, int]

# Of a share of the relevance; a float16 map's own steps are wider on any grid that is stored.
_DIGITS = 13


class Maps:
    """The maps of one method and target kind in a part; each grid's ranks are made once.

    Args:
        rows: one an image: ``image_id``, ``heatmap``, ``heatmap_height``, ``heatmap_width``.

    Attributes:
        rows: as given.
        place: image id -> its row.
        shapes: (h, w) of each map; (0, 0) without one.
        status: ``ok``, or why a map is undefined.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        self.place = {image_id: row for row, image_id in enumerate(rows["image_id"])}
        self._heatmaps = list(rows["heatmap"])
        sizes = zip(rows["heatmap_height"], rows["heatmap_width"], strict=True)
        self.shapes: list[Grid] = [
            (0, 0) if heatmap is None else (int(height), int(width))
            for heatmap, (height, width) in zip(self._heatmaps, sizes, strict=True)
        ]
        self.status = [_status(heatmap) for heatmap in self._heatmaps]
        self._ranks: dict[Grid, NDArray[np.float32]] = {}

    def ranks(self, grid: Grid) -> NDArray[np.float32]:
        """Ranks (N, cells) of each map's cells on ``grid``, ties averaged; NaN where undefined.

        A map comes to ``grid`` by area means. Ranks are halves, so float32 holds them exactly.
        """
        if grid not in self._ranks:
            found = np.full((len(self.shapes), grid[0] * grid[1]), np.nan, np.float32)
            for row, (heatmap, shape) in enumerate(zip(self._heatmaps, self.shapes, strict=True)):
                if (shares := cell_shares(heatmap, shape, grid)) is not None:
                    # Cells that differ by the rounding of a sum or of a cell's edge are tied.
                    found[row] = np.round(shares.ravel().astype(np.float64), _DIGITS)
            known = np.flatnonzero(~np.isnan(found).any(1))
            found[known] = rankdata(found[known], axis=1)
            self._ranks[grid] = found
        return self._ranks[grid]


def coarser(one: Grid, other: Grid) -> Grid:
    """The (h, w) with the fewer cells along each side."""
    return min(one[0], other[0]), min(one[1], other[1])


def _status(heatmap: NDArray[np.float16] | None) -> str:
    if heatmap is None:
        return "relevance=missing"
    total = np.asarray(heatmap, np.float64).sum()
    if not np.isfinite(total):
        return "relevance=not_finite"
    return OK if total > 0 else "relevance=none"
