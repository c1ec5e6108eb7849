"""A sample of a run's heatmaps, whatever its parts and their order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.discovery.shares import cell_shares, common_grid
from xai_audit.run.kinds import kinds_in
from xai_audit.run.paths import RunPaths
from xai_audit.run.sample import per_class
from xai_audit.run.scan import scan
from xai_audit.schema import ATTRIBUTIONS, REGIONS, SCORES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_GRID = ["heatmap_height", "heatmap_width"]


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
    place = dict(zip(drawn["image_id"], range(len(drawn)), strict=True))
    shares = np.full((len(drawn), *grid), np.nan, np.float16)
    wanted = where & ds.field("image_id").isin(pa.array(drawn["image_id"], pa.string()))
    for frame in scan(files, ATTRIBUTIONS, ["image_id", "heatmap", *_GRID], wanted):
        for image_id, heatmap, height, width in frame.itertuples(index=False):
            shape = (0, 0) if heatmap is None else (int(height), int(width))
            if (shared := cell_shares(heatmap, shape, grid)) is not None:
                shares[place[image_id]] = shared
    image_ids, classes = (drawn[name].to_numpy(object) for name in ("image_id", "class_name"))
    return Sample(image_ids, classes, shares)


def read_masses(paths: RunPaths, method: str, kind: str, image_ids: Sequence[str]) -> pd.DataFrame:
    """``mass_<region>`` and ``area_<region>`` of images in their order; NaN where undefined."""
    names = [f"{what}_{region}" for what in ("mass", "area") for region in REGIONS]
    where = _of(method, kind) & ds.field("image_id").isin(pa.array(image_ids, pa.string()))
    frames = list(scan(RunPaths.parts(paths.scores), SCORES, ["image_id", *names], where))
    empty = pd.DataFrame(columns=["image_id", *names], dtype=np.float64)
    scores = pd.concat(frames) if frames else empty
    masses: pd.DataFrame = scores.set_index("image_id")[names].astype(np.float64)
    return masses.reindex(pd.Index(image_ids, dtype=object))


def _of(method: str, kind: str) -> ds.Expression:
    return (ds.field("method") == method) & (ds.field("target_kind") == kind)
