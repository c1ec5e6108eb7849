"""Runs of planted heatmaps: which strategy each image follows is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.discovery.settings import DiscoverSettings
from xai_audit.run.paths import RunPaths
from xai_audit.schema import ATTRIBUTIONS, BANDS, REGIONS, SCORES

GRID = 7
CENTRE, CORNER = (3.0, 3.0), (6.0, 6.0)
AREA = {"object": 0.3, "background": 0.7, "border": 0.28, **dict.fromkeys(BANDS[1:], 0.08)}


def settings(**changed: Any) -> DiscoverSettings:
    return DiscoverSettings(
        **{"algorithm": "spectral", "neighbours": 10, "images": 400, "max_clusters": 8}
        | {"seed": 0, "min_images": 20, "min_clustered": 20}
        | changed
    )


def blobs(
    rng: np.random.Generator, n: int, centre: tuple[float, float], jitter: float = 0.5
) -> np.ndarray:
    """Maps (n, 7, 7) of a blob that moves about ``centre``, in cells, with some speckle."""
    y, x = np.mgrid[:GRID, :GRID]
    at = np.array(centre) + jitter * rng.standard_normal((n, 2))
    far = (y - at[:, 0, None, None]) ** 2 + (x - at[:, 1, None, None]) ** 2
    return np.exp(-far / 2) + 0.02 * rng.exponential(size=far.shape)


def frames(rng: np.random.Generator, n: int) -> np.ndarray:
    """Maps (n, 7, 7) of the outermost cells, with some speckle."""
    ring = np.ones((GRID, GRID))
    ring[1:-1, 1:-1] = 0
    return ring + 0.2 * rng.exponential(size=(n, GRID, GRID))


def masses(heatmap: np.ndarray) -> dict[str, float]:
    """What the score table would tell: the object is the middle, corners are 2x2 cells."""
    share = heatmap / heatmap.sum() if heatmap.sum() > 0 else np.full(heatmap.shape, np.nan)
    inner = float(share[1:-1, 1:-1].sum())
    found = {"object": inner, "background": 1 - inner, "border": 1 - inner}
    found |= {"corner_top_left": share[:2, :2].sum(), "corner_top_right": share[:2, -2:].sum()}
    found |= {"corner_bottom_left": share[-2:, :2].sum()}
    found |= {"corner_bottom_right": share[-2:, -2:].sum()}
    return {region: float(value) for region, value in found.items()}


def rows_of(
    class_name: str,
    heatmaps: np.ndarray,
    *,
    masks: bool = True,
    method: str = "gradcam",
    **more: Any,
) -> list[dict[str, Any]]:
    """The rows of ``heatmaps`` as attributions and scores hold them, in one."""
    rows = []
    for number, heatmap in enumerate(heatmaps):
        row = {"image_id": f"{class_name}/{number:04d}.jpg", "class_name": class_name}
        row |= {"method": method, "target_kind": "contrast", "heatmap_scale": 2.0}
        row |= {"heatmap": heatmap.astype(np.float16).ravel()}
        row |= {"heatmap_height": heatmap.shape[0], "heatmap_width": heatmap.shape[1]}
        if heatmap.shape == (GRID, GRID):
            told = {r: v for r, v in masses(heatmap).items() if masks or r in BANDS}
            row |= {f"mass_{r}": v for r, v in told.items() if v == v}
            row |= {f"area_{r}": AREA[r] for r in told}
        rows.append(row | more)
    return rows


def write(root: Path, rows: list[dict[str, Any]], part: int = 64) -> RunPaths:
    """A run's heatmaps and scores in parts of ``part`` rows."""
    paths = RunPaths(root)
    assert {f"mass_{r}" for r in REGIONS} <= set(SCORES.names)
    for folder, schema in ((paths.attributions, ATTRIBUTIONS), (paths.scores, SCORES)):
        folder.mkdir(parents=True)
        for number, start in enumerate(range(0, len(rows), part)):
            told = [{name: row.get(name) for name in schema.names} for row in rows[start:][:part]]
            pq.write_table(pa.Table.from_pylist(told, schema), paths.part(folder, number))
    return paths
