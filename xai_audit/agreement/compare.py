"""Every pair of methods on every drawn image: relevance maps ranked on one grid and compared."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.discovery.read import cell_shares
from xai_audit.run.files import scan
from xai_audit.run.paths import RunPaths
from xai_audit.run.sample import per_class
from xai_audit.schema import AGREEMENT_IMAGES, ATTRIBUTIONS, OK, REGIONS, SCORES
from xai_audit.statistics.placements import rank_correlations

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_KEY = ["image_id", "class_name", "method", "target_kind"]
_HEATMAP = ["heatmap", "heatmap_height", "heatmap_width"]
_MASS = [f"mass_{region}" for region in REGIONS]
_DIFFERENCE = [f"mass_difference_{region}" for region in REGIONS]
_FLAT = "relevance=flat"
Grid = tuple[int, int]
# Of a share of the relevance; a float16 map's own steps are wider on any grid that is stored.
_DIGITS = 13


def compared(
    attributions: Sequence[Path], scores: Sequence[Path], chosen: Collection[str]
) -> pa.Table:
    """The rows (``schema.AGREEMENT_IMAGES``) of one part, rows of an image together.

    Args:
        attributions: the files with the heatmaps of its photos, by any method.
        scores: the files with their scores.
        chosen: ids of the images to compare.
    """
    frame = _read(attributions, scores, chosen)
    pairs = []
    for kind, rows in frame.groupby("target_kind"):
        maps = {str(name): Maps(of_one) for name, of_one in rows.groupby("method")}
        for one, other in combinations(sorted(maps), 2):
            found = _pair(maps[one], maps[other])
            pairs.append(found.assign(method=one, other_method=other, target_kind=str(kind)))
    if not pairs:
        return AGREEMENT_IMAGES.empty_table()
    whole = pd.concat(pairs, ignore_index=True)
    order = whole["image_id"].map({image: n for n, image in enumerate(frame["image_id"].unique())})
    whole = whole.iloc[np.argsort(order.to_numpy(), kind="stable")]
    return pa.Table.from_pandas(whole, AGREEMENT_IMAGES, preserve_index=False)


def _read(
    attributions: Sequence[Path], scores: Sequence[Path], chosen: Collection[str]
) -> pd.DataFrame:
    """Heatmaps and masses of the part's chosen images, one row an image, method and target."""
    seen = scan(attributions, ATTRIBUTIONS, ["image_id"])
    wanted = {image_id for frame in seen for image_id in frame["image_id"]}.intersection(chosen)
    where = ds.field("image_id").isin(pa.array(sorted(wanted), pa.string()))
    where &= ds.field("class_name").is_valid()
    heatmaps = _whole(attributions, ATTRIBUTIONS, [*_KEY, *_HEATMAP], where)
    masses = _whole(scores, SCORES, [*_KEY, *_MASS], where)
    return heatmaps.merge(masses, how="left", on=_KEY)


def _whole(
    files: Sequence[Path], schema: pa.Schema, columns: list[str], where: ds.Expression
) -> pd.DataFrame:
    frames = [*scan(files, schema, columns, where)]
    empty: pd.DataFrame = schema.empty_table().select(columns).to_pandas()
    return pd.concat(frames, ignore_index=True) if frames else empty


def _pair(one: Maps, other: Maps) -> pd.DataFrame:
    """Two methods on the images that both have."""
    shared = [image for image in one.place if image in other.place]
    here, there = (np.array([maps.place[i] for i in shared], int) for maps in (one, other))
    correlation = correlations(one, here, other, there)
    masses = [
        maps.rows[_MASS].to_numpy(np.float64)[rows] for maps, rows in ((one, here), (other, there))
    ]
    difference = np.abs(masses[0] - masses[1])
    found = one.rows.iloc[here][["image_id", "class_name"]].reset_index(drop=True)
    found["rank_correlation"] = correlation
    found["mass_agreement"] = 1 - pd.DataFrame(difference).mean(axis=1)  # of those defined
    found[_DIFFERENCE] = difference
    found["agreement_status"] = [
        next((s for s in (one.status[a], other.status[b]) if s != OK), OK if rho == rho else _FLAT)
        for a, b, rho in zip(here, there, correlation, strict=True)
    ]
    return found


def correlations(
    one: Maps, here: NDArray[np.intp], other: Maps, there: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Of row ``here[i]`` and row ``there[i]``, on the coarser of their grids; NaN if undefined."""
    found = np.full(len(here), np.nan)
    grids: dict[Grid, list[int]] = {}
    for number, (a, b) in enumerate(zip(here, there, strict=True)):
        if one.status[a] == other.status[b] == OK:
            grid = coarser(one.shapes[a], other.shapes[b])
            grids.setdefault(grid, []).append(number)
    for grid, numbers in grids.items():
        ranks = one.ranks(grid)[here[numbers]], other.ranks(grid)[there[numbers]]
        found[numbers] = rank_correlations(*ranks)
    return found


def drawn(paths: RunPaths, *, images: int, seed: int) -> frozenset[str]:
    """Ids of at most ``images`` scored images a class, drawn by ``seed`` and image id.

    Args:
        paths: of the run.
        images: a class.
        seed: draws the same images as discovery.

    Raises:
        OutputError: a part cannot be read.
    """
    frames = scan(RunPaths.parts(paths.scores), SCORES, ["image_id", "class_name"])
    return frozenset(per_class(frames, images, seed)["image_id"])


class Maps:
    """The maps of one method and target kind in a part; each grid's ranks are made once.

    Args:
        rows: one an image and class: ``image_id``, ``class_name``, ``heatmap``,
            ``heatmap_height``, ``heatmap_width``.

    Attributes:
        rows: as given.
        place: image id and class -> its row.
        shapes: (h, w) of each map; (0, 0) without one.
        status: ``ok``, or why a map is undefined.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        cases = zip(rows["image_id"], rows["class_name"], strict=True)
        self.place = {case: row for row, case in enumerate(cases)}
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
            from scipy.stats import rankdata  # slow to import, and few commands need it

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
