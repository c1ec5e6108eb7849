"""A sample of a run's heatmaps, whatever its parts and their order."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.discovery.shares import common_grid, shares_of
from xai_audit.run.paths import RunPaths
from xai_audit.run.scan import scan
from xai_audit.schema import ATTRIBUTIONS, PREFERRED_KINDS, REGIONS, SCORES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    kinds: dict[str, set[str]] = {}
    for frame in scan(RunPaths.parts(paths.attributions), ATTRIBUTIONS, ["method", "target_kind"]):
        for method, kind in frame.drop_duplicates().itertuples(index=False):
            kinds.setdefault(method, set()).add(kind)
    return {
        method: next(k for k in (*PREFERRED_KINDS, *sorted(kinds[method])) if k in kinds[method])
        for method in sorted(kinds)
    }


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
    found = scan(files, ATTRIBUTIONS, ["image_id", "class_name", *_GRID], where)
    drawn = _draw(found, images, seed)
    sizes = Counter(drawn[_GRID].dropna().astype(int).itertuples(index=False, name=None))
    grid = common_grid(dict(sizes)) if sizes else (1, 1)
    place = dict(zip(drawn["image_id"], range(len(drawn)), strict=True))
    shares = np.full((len(drawn), *grid), np.nan, np.float16)
    wanted = where & ds.field("image_id").isin(pa.array(drawn["image_id"], pa.string()))
    for frame in scan(files, ATTRIBUTIONS, ["image_id", "heatmap", *_GRID], wanted):
        for image_id, heatmap, height, width in frame.itertuples(index=False):
            shape = (0, 0) if heatmap is None else (int(height), int(width))
            if (shared := shares_of(heatmap, shape, grid)) is not None:
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


def draw_of(seed: int, *texts: str) -> int:
    """A number in 0..2^32 that ``seed`` and ``texts`` decide."""
    digest = hashlib.blake2b("\0".join((str(seed), *texts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest)


def _draw(frames: Iterator[pd.DataFrame], images: int, seed: int) -> pd.DataFrame:
    """The rows drawn by ``seed``, at most ``images`` a class, by class and image id."""
    kept = pd.DataFrame(columns=["image_id", "class_name", *_GRID, "draw"])
    for frame in frames:
        named = frame[frame["class_name"].notna()]
        drawn = named.assign(draw=[draw_of(seed, image_id) for image_id in named["image_id"]])
        both = pd.concat([kept, drawn]) if len(kept) else drawn
        both = both.sort_values(["draw", "image_id"])
        kept = both.groupby("class_name", observed=True).head(images)
    return kept.sort_values(["class_name", "image_id"], ignore_index=True)


def _of(method: str, kind: str) -> ds.Expression:
    return (ds.field("method") == method) & (ds.field("target_kind") == kind)
