"""Runs of hand-made heatmaps by several methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.discovery.runs import write
from xai_audit.agreement.compare import compared
from xai_audit.run.files import write_table
from xai_audit.schema import REGIONS

__all__ = ["row", "run_of", "write"]


def row(image_id: str, method: str, heatmap: np.ndarray | None, **more: Any) -> dict[str, Any]:
    """One row as attributions and scores hold it, in one."""
    told: dict[str, Any] = {"image_id": image_id, "class_name": image_id.split("/")[0]}
    told |= {"method": method, "target_kind": "label", "heatmap_scale": 2.0}
    if heatmap is not None:
        told |= {"heatmap": heatmap.astype(np.float16).ravel()}
        told |= {"heatmap_height": heatmap.shape[0], "heatmap_width": heatmap.shape[1]}
    return told | more


def run_of(rng: np.random.Generator, images: int, grids: dict[str, tuple[int, int]], **more: Any):
    """Rows of random maps, many cells tied at 0: images of two classes by each method."""
    rows = []
    for number in range(images):
        image_id = f"{'daisy' if number % 2 else 'tulip'}/{number:03d}.jpg"
        for method, grid in grids.items():
            heatmap = np.clip(rng.normal(size=grid), 0, None)
            masses = {f"mass_{region}": float(rng.uniform()) for region in REGIONS[2:]}
            rows.append(row(image_id, method, heatmap, **masses, **more))
    return rows


def compare(paths, chosen) -> None:
    """Write the agreement of every part, as the stage does."""
    for file in paths.parts(paths.attributions):
        table = compared([file], [paths.scores / file.name], chosen)
        write_table(paths.agreement_images / file.name, table)
