"""Maps, masses and margins of the photos of confused pairs, added up part by part."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.confusion.pairs import CONTRAST, contrasts
from xai_audit.discovery.read import cell_shares, common_grid
from xai_audit.run.files import scan
from xai_audit.run.paths import RunPaths
from xai_audit.schema import ATTRIBUTIONS, REGIONS, SCORES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

Direction = tuple[str, str]

_MASS = [f"mass_{region}" for region in REGIONS]
_ROW = ["image_id", "class_name", "label", "pred", "against", "target_score"]
_GRID = ["heatmap_height", "heatmap_width"]
# Photos named a direction: a row of the page.
MOST_NAMED = 6


@dataclass
class Side:
    """The photos of a class on one boundary, by one method.

    Attributes:
        grid: (h, w) of ``total``.
        total: (h, w) sum of the maps' shares.
        maps: how many of them.
        undefined: photos without a usable map.
        confused: photos predicted as the other class.
        margins: of every photo, 4 bytes each: a median needs them all.
        nearest: (-distance, image id, margin) of the photos nearest to the boundary, a heap.
    """

    grid: tuple[int, int]
    total: NDArray[np.float64]
    maps: int = 0
    undefined: int = 0
    confused: int = 0
    margins: array[float] = field(default_factory=lambda: array("f"))
    nearest: list[tuple[float, str, float]] = field(default_factory=list)

    def add(self, row: Mapping[Any, Any]) -> None:
        """Count the photo of ``row``, a row of the attributions."""
        margin, image_id = float(row["target_score"]), str(row["image_id"])
        self.margins.append(margin)
        self.confused += bool(row["confused"])
        keep = heapq.heappush if len(self.nearest) < MOST_NAMED else heapq.heappushpop
        keep(self.nearest, (-abs(margin), image_id, margin))
        heatmap = row["heatmap"]
        shape = (0, 0) if heatmap is None else (int(row[_GRID[0]]), int(row[_GRID[1]]))
        shares = cell_shares(heatmap, shape, self.grid)
        if shares is None:
            self.undefined += 1
        else:
            self.total += shares
            self.maps += 1

    @property
    def nearest_first(self) -> list[tuple[str, float]]:
        """(image id, margin), the nearest to the boundary first."""
        return [(image_id, margin) for _, image_id, margin in sorted(self.nearest, reverse=True)]


@dataclass
class Moments:
    """Count, sum and sum of squares of the mass in each region; a null is not counted."""

    count: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(REGIONS)))
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(REGIONS)))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(REGIONS)))
    photos: int = 0

    def add(self, masses: NDArray[np.float64]) -> None:
        """Add photos (n, R)."""
        known = np.where(np.isnan(masses), 0.0, masses)
        self.photos += len(masses)
        self.count += (~np.isnan(masses)).sum(0)
        self.total += known.sum(0)
        self.squares += (known**2).sum(0)


def sides(
    paths: RunPaths,
    names: Mapping[int, str],
    directions: Collection[Direction],
    methods: Sequence[str],
    progress: Callable[[int], None],
) -> dict[tuple[Direction, str], Side]:
    """(direction, method) -> its photos; margins alone are held one by one.

    Args:
        paths: of the run.
        names: model output -> class name.
        directions: (class, other class).
        methods: that explain the margin.
        progress: called with the number of heatmaps just added up.

    Raises:
        OutputError: a part cannot be read.
    """
    grids = _grids(paths)
    found = {
        (direction, method): Side(grids.get(method, (1, 1)), np.zeros(grids.get(method, (1, 1))))
        for direction in directions
        for method in methods
    }
    outputs: dict[str, list[int]] = defaultdict(list)
    for output, name in names.items():
        outputs[name].append(output)
    where = ds.scalar(False)
    for name, other in directions:
        rivals = ds.field("against").isin(pa.array(outputs[other], pa.int32()))
        where = where | ((ds.field("class_name") == name) & rivals)
    for frame in contrasts(paths, names, [*_ROW, "method", "heatmap", *_GRID], where):
        for row in frame.to_dict("records"):
            key = ((row["class_name"], row["other_class"]), row["method"])
            found[key].add(row)
        progress(len(frame))
    return found


def _grids(paths: RunPaths) -> dict[str, tuple[int, int]]:
    """Method -> the grid on which its maps are added up."""
    counts: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    where = ds.field("target_kind") == CONTRAST
    files = RunPaths.parts(paths.attributions)
    for frame in scan(files, ATTRIBUTIONS, ["method", *_GRID], where):
        for method, rows in frame.dropna().groupby("method"):
            sizes = rows[_GRID].astype(int).itertuples(index=False, name=None)
            counts[str(method)].update(sizes)
    return {method: common_grid(dict(sizes)) for method, sizes in counts.items()}


def masses(
    paths: RunPaths, names: Mapping[int, str], classes: Collection[str]
) -> dict[tuple[Direction, str], Moments]:
    """(direction, method) -> masses of the margin's maps, for every strongest other class.

    Args:
        paths: of the run.
        names: model output -> class name; an output without one is the class "".
        classes: of the photos to be read.

    Raises:
        OutputError: a part cannot be read.
    """
    found: dict[tuple[Direction, str], Moments] = defaultdict(Moments)
    wanted = pa.array(sorted(classes), pa.string())  # the type of an empty list is unknown
    where = (ds.field("target_kind") == CONTRAST) & ds.field("class_name").isin(wanted)
    columns = ["class_name", "against", "method", *_MASS]
    for frame in scan(RunPaths.parts(paths.scores), SCORES, columns, where):
        known = frame[frame["against"].notna()]
        named = known.assign(other_class=known["against"].map(names).fillna(""))
        for (name, other, method), rows in named.groupby(["class_name", "other_class", "method"]):
            key = (str(name), str(other)), str(method)
            found[key].add(rows[_MASS].to_numpy(np.float64))
    return found
