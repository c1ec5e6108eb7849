"""Stored heatmaps of the photos of the survey, and which classes the model confuses."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F

from xai_audit.run.paths import RunPaths
from xai_audit.schema import ABSENT
from xai_audit.vision.transform import pull_down

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_ROWS = 65_536  # of predictions at a time
_KEYS = ["method", "target_kind", "heatmap_height", "heatmap_width"]


@dataclass(frozen=True)
class Shares:
    """Heatmaps of n photos by one method for one target kind.

    Attributes:
        method: name.
        kind: target kind.
        maps: (n, h, w) float32, so that the sum of map times a region pulled down to the grid is
            the region's share of the view's relevance; NaN where there is none.
    """

    method: str
    kind: str
    maps: NDArray[np.float32]


def view_shares(
    paths: RunPaths,
    ids: Sequence[str],
    *,
    grid: tuple[int, int],
    size: tuple[int, int],
    classes: Sequence[str] | None = None,
) -> list[Shares]:
    """The heatmaps of ``ids`` by method and target kind, read part by part.

    Shares of the relevance in the model's view: the map is upsampled to it, as for the masses of
    ``scores``, so that cells differ in weight when the view is not a multiple of the grid. To
    compare maps with each other, without any region, the plain share of each cell is enough:
    :func:`~xai_audit.discovery.read.cell_shares`.

    Args:
        paths: of the run.
        ids: n image ids.
        classes: of photos with several labels, the class that each of the n maps is for.
        grid: (h, w) that maps of another size are brought to.
        size: (H, W) of the model's view.
    """
    place = pd.Index(ids if classes is None else list(zip(ids, classes, strict=True)))
    weight = pull_down(torch.ones(size, dtype=torch.float64), grid).numpy()
    found: dict[tuple[str, str], NDArray[np.float32]] = {}
    for method, kind, of, cells in _maps_of(paths, ids, several=classes is not None):
        maps = found.setdefault(
            (method, kind), np.full((len(ids), *grid), np.nan, dtype=np.float32)
        )
        cells = _on_grid(cells, grid)
        total = (cells * weight).sum((1, 2))
        known = np.isfinite(total) & (total > 0)
        maps[place.get_indexer(of[known])] = cells[known] / total[known, None, None]
    return [Shares(method, kind, maps) for (method, kind), maps in sorted(found.items())]


def _maps_of(
    paths: RunPaths, ids: Sequence[str], *, several: bool
) -> Iterator[tuple[str, str, pd.Index, NDArray[np.float64]]]:
    """Method, target kind, image ids (m,) and maps (m, h, w) of equal size, part by part.

    Of photos with ``several`` labels image ids with the class, and the maps of labels alone.
    """
    names = ["image_id", "class_name"] if several else ["image_id"]
    wanted = pa.array(ids, pa.string())
    for path in RunPaths.parts(paths.attributions):
        table = pq.read_table(path, columns=[*_KEYS, *names, "heatmap"])
        ours = pc.and_(
            pc.is_in(table.column("image_id"), value_set=wanted),
            pc.is_valid(table.column("heatmap")),
        )
        if several:
            ours = pc.and_(ours, pc.equal(table.column("target_kind"), "label"))
        table = table.filter(ours)
        keys = table.select(_KEYS).to_pandas()
        for (method, kind, height, width), rows in keys.groupby(_KEYS).indices.items():
            some = table.take(rows)
            flat = some.column("heatmap").combine_chunks().flatten().to_numpy()
            cells = flat.astype(np.float64).reshape(-1, height, width)
            of = [some.column(name).to_numpy() for name in names]
            index = pd.MultiIndex.from_arrays(of) if several else pd.Index(of[0])
            yield method, kind, index, cells


def _on_grid(cells: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Maps (m, h, w) brought to ``grid``."""
    if cells.shape[1:] == grid:
        return cells
    maps = torch.from_numpy(cells)[:, None]
    if cells.shape[1] >= grid[0] and cells.shape[2] >= grid[1]:  # nothing between is skipped
        whole = F.adaptive_avg_pool2d(maps, grid)
    else:
        whole = F.interpolate(maps, grid, mode="bilinear")
    resized: NDArray[np.float64] = whole[:, 0].numpy()
    return resized


@dataclass(frozen=True)
class Predictions:
    """The model's predictions of unmodified photos.

    Attributes:
        correct: of the requested photos, image id -> whether the prediction is the label.
        confusion: class -> other class -> number of the other's photos predicted as the class;
            those with the class in second place count half.
    """

    correct: dict[str, bool]
    confusion: dict[str, dict[str, float]]


@dataclass(frozen=True)
class WrongDecisions(Predictions):
    """The decisions for unmodified photos that have several labels.

    Attributes:
        wrong: of the requested photos, image id -> the classes for which it is wrongly decided.
    """

    wrong: dict[str, list[str]]


def wrong_decisions(paths: RunPaths, ids: Sequence[str], sets: Mapping[str, str]) -> WrongDecisions:
    """Which decisions for ``ids`` are wrong, and how often sets are decided for a class they lack.

    Args:
        paths: of the run.
        ids: of the requested images; one without a row is decided rightly for every class.
        sets: image id -> the text of its labels, of all images.
    """
    wrong: dict[str, set[str]] = {one: set() for one in ids}
    taken: dict[tuple[str, str], set[str]] = defaultdict(set)
    for table in _together(
        RunPaths.parts(paths.scores), ["image_id", "class_name", "label", "pred"]
    ):
        rows: pd.DataFrame = table.to_pandas()
        rows = rows[rows["pred"] != rows["label"]]
        for one, name, label in zip(*(rows[c] for c in list(rows)[:3]), strict=True):
            if one in wrong:
                wrong[one].add(name)
            if label == ABSENT:
                taken[name, sets[one]].add(one)
    confusion: dict[str, dict[str, float]] = defaultdict(dict)
    for (name, other), photos in taken.items():
        confusion[name][other] = float(len(photos))
    return WrongDecisions(
        correct={one: not names for one, names in wrong.items()},
        confusion=dict(confusion),
        wrong={one: sorted(names) for one, names in wrong.items()},
    )


def predictions(paths: RunPaths, ids: Sequence[str], names: Mapping[int, str]) -> Predictions:
    """Predictions of ``ids``, and how often classes are confused over all scored images.

    Args:
        paths: of the run.
        ids: of the images for which correctness is wanted.
        names: the classes by model output.
    """
    wanted = pd.Index(ids)
    correct: dict[str, bool] = {}
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for rows in _one_each(RunPaths.parts(paths.scores)):
        right = rows["pred"] == rows["label"]
        mine = rows["image_id"].isin(wanted)
        correct |= dict(zip(rows["image_id"][mine], right[mine].tolist(), strict=True))
        mistaken = rows["against"].where(right, rows["pred"]).map(names)
        photos = right.map({True: 0.5, False: 1.0}).groupby([mistaken, rows["class_name"]]).sum()
        for other, name, count in photos.rename("photos").reset_index().itertuples(index=False):
            counts[other][name] += count
    return Predictions(correct, {name: dict(found) for name, found in counts.items()})


def _one_each(files: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """One row per image with a prediction, that with ``against``, of some parts at a time.

    Of one method, for a photo's rows by others may lie in other files.
    """
    for table in _together(files, ["image_id", "class_name", "label", "pred", "against"]):
        rows: pd.DataFrame = table.to_pandas()
        # Several rows of an image differ in nothing else; the last is kept.
        rows = rows.sort_values("against", key=pd.Series.notna, kind="stable")
        rows = rows.drop_duplicates("image_id", keep="last").dropna(subset=["pred"])
        if len(rows):
            yield rows


def _together(files: Sequence[Path], columns: list[str]) -> Iterator[pa.Table]:
    """The rows of the first method in ``files``, of as many as make a table worth a look."""
    held: list[pa.Table] = []
    method: str | None = None
    for file in files:
        table = pq.read_table(file, columns=[*columns, "method"])
        if not table.num_rows:
            continue
        method = method or table.column("method")[0].as_py()
        held.append(table.filter(pc.equal(table.column("method"), method)).select(columns))
        if sum(table.num_rows for table in held) >= _ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
