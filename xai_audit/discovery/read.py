"""A sample of a run's heatmaps, as shares of relevance in the cells of one common grid."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.run.files import scan
from xai_audit.run.paths import RunPaths
from xai_audit.run.sample import per_class
from xai_audit.run.verdicts import kinds_in
from xai_audit.schema import ATTRIBUTIONS, REGIONS, SCORES

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GRID = ["heatmap_height", "heatmap_width"]
_CASE = ["image_id", "class_name"]
# A strategy is a place, not a contour: no side of the grid has more cells than this.
MOST_CELLS = 16


@dataclass(frozen=True)
class Sample:
    """The heatmaps of one method that are clustered, all classes, by class and image id.

    Attributes:
        image_ids: (N,) object.
        classes: (N,) object.
        shares: (N, h, w) float16, sum 1; NaN for a map without relevance or not finite.
    """

    image_ids: NDArray[np.object_]
    classes: NDArray[np.object_]
    shares: NDArray[np.float16]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(N,) whether a map is known."""
        known: NDArray[np.bool_] = ~np.isnan(self.shares[:, 0, 0])
        return known


def kinds_of_run(paths: RunPaths) -> dict[str, str]:
    """Method -> the target kind that is clustered, methods in alphabetical order."""
    return kinds_in(RunPaths.parts(paths.attributions), ATTRIBUTIONS)


def read_sample(paths: RunPaths, method: str, kind: str, *, images: int, seed: int) -> Sample:
    """At most ``images`` heatmaps a class, as shares on their most common grid.

    Two passes over the parts. All of the sample is held, at float16: 512 bytes a map at the most.

    Args:
        paths: of the run.
        method: of the heatmaps.
        kind: target kind of the heatmaps.
        images: a class.
        seed: draws them, by image id.

    Raises:
        OutputError: a part cannot be read.
    """
    files, where = RunPaths.parts(paths.attributions), _of(method, kind)
    columns = ["image_id", "class_name", *_GRID]
    found = scan(files, ATTRIBUTIONS, columns, where)
    drawn = per_class(found, images, seed).reindex(columns=columns)
    sizes = Counter(drawn[_GRID].dropna().astype(int).itertuples(index=False, name=None))
    grid = common_grid(dict(sizes)) if sizes else (1, 1)
    place = dict(zip(zip(*(drawn[c] for c in _CASE), strict=True), range(len(drawn)), strict=True))
    shares = np.full((len(drawn), *grid), np.nan, np.float16)
    wanted = where & ds.field("image_id").isin(pa.array(drawn["image_id"], pa.string()))
    for frame in scan(files, ATTRIBUTIONS, [*_CASE, "heatmap", *_GRID], wanted):
        for *case, heatmap, height, width in frame.itertuples(index=False):
            shape = (0, 0) if heatmap is None else (int(height), int(width))
            at, shared = place.get(tuple(case)), cell_shares(heatmap, shape, grid)
            if at is not None and shared is not None:
                shares[at] = shared
    image_ids, classes = (drawn[name].to_numpy(object) for name in ("image_id", "class_name"))
    return Sample(image_ids, classes, shares)


def read_masses(paths: RunPaths, method: str, kind: str, sample: Sample) -> pd.DataFrame:
    """``mass_<region>`` and ``area_<region>`` of the sample's maps; NaN where undefined."""
    names = [f"{what}_{region}" for what in ("mass", "area") for region in REGIONS]
    where = _of(method, kind) & ds.field("image_id").isin(pa.array(sample.image_ids, pa.string()))
    frames = list(scan(RunPaths.parts(paths.scores), SCORES, [*_CASE, *names], where))
    empty = pd.DataFrame(columns=[*_CASE, *names], dtype=np.float64)
    scores = pd.concat(frames) if frames else empty
    masses: pd.DataFrame = scores.set_index(_CASE)[names].astype(np.float64)
    return masses.reindex(pd.MultiIndex.from_arrays([sample.image_ids, sample.classes]))


def _of(method: str, kind: str) -> ds.Expression:
    return (ds.field("method") == method) & (ds.field("target_kind") == kind)


def common_grid(counts: dict[tuple[int, int], int]) -> tuple[int, int]:
    """The most common (h, w), each side at most ``MOST_CELLS``; of equals the smallest.

    Args:
        counts: (h, w) -> heatmaps that have it.
    """
    height, width = min(counts, key=lambda grid: (-counts[grid], grid))
    return min(height, MOST_CELLS), min(width, MOST_CELLS)


def cell_shares(
    heatmap: NDArray[np.float16] | None, shape: tuple[int, int], grid: tuple[int, int]
) -> NDArray[np.float32] | None:
    """The shares (h, w) of a heatmap's relevance in the cells of ``grid``, sum 1.

    None without a heatmap, with a value that is not finite, or without relevance. The heatmap's
    scale cancels. A cell that lies across several of ``grid`` is split by area, so that no
    relevance is lost.

    All cells have equal weight, since maps are compared with maps here. For the relevance in a
    region of the view see :func:`~xai_audit.evidence.heatmaps.view_shares`, which weights each cell
    by its part of the upsampled view. The two differ by no more than a factor where the view's
    sides are multiples of the grid's; on a 13 x 13 grid over 224 x 224 px the weights differ by
    0.13 %.

    Args:
        heatmap: as stored, (h' * w').
        shape: (h', w').
        grid: (h, w).
    """
    if heatmap is None:
        return None
    relevance = np.asarray(heatmap, np.float64).reshape(shape)
    total = relevance.sum()
    if not np.isfinite(total) or total <= 0:
        return None
    down, across = (_overlap(old, new) for old, new in zip(shape, grid, strict=True))
    shared: NDArray[np.float32] = (down @ (relevance / total) @ across.T).astype(np.float32)
    return shared


@lru_cache(maxsize=64)
def _overlap(old: int, new: int) -> NDArray[np.float64]:
    """How much of each of ``old`` cells lies in each of ``new``: (new, old), columns sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    first = np.arange(old)
    inside = np.minimum(first + 1, edges[1:, None]) - np.maximum(first, edges[:-1, None])
    share: NDArray[np.float64] = inside.clip(min=0)
    return share
