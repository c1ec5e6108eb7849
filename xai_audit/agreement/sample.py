"""Which images are compared: a bounded draw a class, whatever the parts and their order."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from xai_audit.discovery.read import draw_of
from xai_audit.run.paths import RunPaths
from xai_audit.run.scan import scan
from xai_audit.schema import SCORES

if TYPE_CHECKING:
    import pandas as pd


def drawn(paths: RunPaths, *, images: int, seed: int) -> frozenset[str]:
    """Ids of at most ``images`` scored images a class, drawn by ``seed`` and image id.

    Args:
        paths: of the run.
        images: a class.
        seed: draws the same images as discovery.

    Raises:
        OutputError: a part cannot be read.
    """
    kept: dict[str, list[tuple[int, str]]] = {}
    for frame in scan(RunPaths.parts(paths.scores), SCORES, ["image_id", "class_name"]):
        for name, rows in frame.drop_duplicates().groupby("class_name"):
            kept[str(name)] = _lowest(kept.get(str(name), []), rows, images, seed)
    return frozenset(image_id for tickets in kept.values() for _, image_id in tickets)


def _lowest(
    kept: list[tuple[int, str]], rows: pd.DataFrame, images: int, seed: int
) -> list[tuple[int, str]]:
    """The ``images`` lowest draws of ``kept`` and ``rows``; an image counts once."""
    tickets = {(draw_of(seed, image_id), image_id) for image_id in rows["image_id"]}
    return heapq.nsmallest(images, tickets.union(kept))
