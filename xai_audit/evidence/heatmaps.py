"""What the stored heatmaps of the photos that were read say, and who is mistaken for whom."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F

from xai_audit.metrics.regions import pull_down
from xai_audit.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
    whole = F.interpolate(torch.from_numpy(cells)[None, None], grid, mode="bilinear")
    resized: NDArray[np.float64] = whole[0, 0].numpy()
    return resized


@dataclass(frozen=True)
class Predictions:
    """What the model says of the photos as they are.

    Attributes:
        correct: image id -> whether its prediction is its label.
        confusion: class -> other class -> share of the class's photos that are taken for the
            other, those where it comes second counted half.
    """

    correct: dict[str, bool]
    confusion: dict[str, dict[str, float]]


def predictions(paths: RunPaths, names: Mapping[int, str]) -> Predictions:
    """Predictions of every scored image; ``names`` are the classes by model output."""
    columns = ["image_id", "class_name", "label", "pred", "against"]
    correct: dict[str, bool] = {}
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for path in RunPaths.parts(paths.scores):
        for row in pq.read_table(path, columns=columns).to_pylist():
            if row["pred"] is None:
                continue
            right = row["pred"] == row["label"]
            correct[row["image_id"]] = right
            other = row["against"] if right else row["pred"]
            if other is not None and other in names:
                counts[names[other]][row["class_name"]] += 0.5 if right else 1.0
    return Predictions(correct, {name: dict(found) for name, found in counts.items()})
