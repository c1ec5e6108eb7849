"""What the stored heatmaps of the photos that were read say, and who is mistaken for whom."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F

from xai_audit.run.paths import RunPaths
from xai_audit.vision.regions import pull_down

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_COLUMNS = [
    "image_id", "method", "target_kind", "heatmap", "heatmap_height", "heatmap_width",
]  # fmt: skip


@dataclass(frozen=True)
class Shares:
    """Heatmaps of n photos by one method for one target kind.

    Attributes:
        method: name.
        kind: target kind.
        maps: (n, h, w) float32 relevance as shares of its total in the view; NaN where there is
            none.
    """

    method: str
    kind: str
    maps: NDArray[np.float32]


def shares(
    paths: RunPaths, ids: Sequence[str], *, grid: tuple[int, int], size: tuple[int, int]
) -> list[Shares]:
    """The heatmaps of ``ids`` by method and target kind, read part by part.

    Args:
        paths: of the run.
        ids: n image ids.
        grid: (h, w) that maps of another size are brought to.
        size: (H, W) of the model's view.
    """
    place = {image_id: row for row, image_id in enumerate(ids)}
    weight = pull_down(torch.ones(size, dtype=torch.float64), grid).numpy()
    found: dict[tuple[str, str], NDArray[np.float32]] = {}
    for table in _rows_of(paths, ids):
        for row in table.to_pylist():
            key = (row["method"], row["target_kind"])
            if key not in found:
                found[key] = np.full((len(ids), *grid), np.nan, np.float32)
            cells = np.array(row["heatmap"], dtype=np.float64)
            cells = _on_grid(cells.reshape(row["heatmap_height"], row["heatmap_width"]), grid)
            total = float((cells * weight).sum())
            if np.isfinite(total) and total > 0:
                found[key][place[row["image_id"]]] = cells / total
    return [Shares(method, kind, maps) for (method, kind), maps in sorted(found.items())]


def _rows_of(paths: RunPaths, ids: Sequence[str]) -> Iterator[pa.Table]:
    wanted = pa.array(ids, pa.string())
    for path in RunPaths.parts(paths.attributions):
        table = pq.read_table(path, columns=_COLUMNS)
        yield table.filter(pc.is_in(table.column("image_id"), value_set=wanted))


def _on_grid(cells: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.float64]:
    if cells.shape == grid:
        return cells
    one = torch.from_numpy(cells)[None, None]
    if cells.shape[0] >= grid[0] and cells.shape[1] >= grid[1]:  # nothing between is skipped
        whole = F.adaptive_avg_pool2d(one, grid)
    else:
        whole = F.interpolate(one, grid, mode="bilinear")
    resized: NDArray[np.float64] = whole[0, 0].numpy()
    return resized


@dataclass(frozen=True)
class Predictions:
    """What the model says of the photos as they are.

    Attributes:
        correct: of the photos asked about, image id -> whether the prediction is the label.
        confusion: class -> other class -> the other's photos that are taken for the class; those
            in which the class comes second count half.
    """

    correct: dict[str, bool]
    confusion: dict[str, dict[str, float]]


def predictions(paths: RunPaths, ids: Sequence[str], names: Mapping[int, str]) -> Predictions:
    """Predictions of ``ids``, and who is confused with whom over all scored images.

    Args:
        paths: of the run.
        ids: whose correctness is asked about.
        names: the classes by model output.
    """
    asked, correct = {*ids}, {}
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for path in RunPaths.parts(paths.scores):
        for row in _one_each(path):
            if row["pred"] is None:
                continue
            right = row["pred"] == row["label"]
            if row["image_id"] in asked:
                correct[row["image_id"]] = right
            other = row["against"] if right else row["pred"]
            if other is not None and other in names:
                counts[names[other]][row["class_name"]] += 0.5 if right else 1.0
    return Predictions(correct, {name: dict(found) for name, found in counts.items()})


def _one_each(path: Path) -> list[dict[str, Any]]:
    """One row an image of a scores part, with the output that comes second where it is told."""
    columns = ["image_id", "class_name", "label", "pred", "against"]
    rows = pq.read_table(path, columns=columns).to_pylist()
    rows.sort(key=lambda row: row["against"] is not None)
    return list({row["image_id"]: row for row in rows}.values())
