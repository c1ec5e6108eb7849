"""The images in the galleries: the most suspicious, and some without a flag to compare with."""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import TYPE_CHECKING

import pyarrow.dataset as ds

from xai_audit.run.sample import hash_order
from xai_audit.run.score_rows import of_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.run.reader import Run

# One picture: an image explained by a method.
Key = tuple[str, str]

UNFLAGGED = "unflagged"


def pick(
    run: Run, kinds: Mapping[str, str], *, per_reason: int, seed: int
) -> dict[str, dict[str, list[Key]]]:
    """Class -> reason -> pictures, most suspicious first; ``unflagged`` last in each class."""
    chosen: dict[str, dict[str, list[Key]]] = defaultdict(dict)
    columns = ["image_id", "class_name", "method", "reason", "rank"]
    top = run.collect("flags", columns, ds.field("rank") <= per_reason)
    top = top.sort_values(["class_name", "rank"], kind="stable")
    for class_name, reason, image_id, method in zip(
        *(top[name] for name in ("class_name", "reason", "image_id", "method")), strict=True
    ):
        chosen[class_name].setdefault(reason, []).append((image_id, method))
    for class_name, pictures in _unflagged(run, kinds, count=per_reason, seed=seed).items():
        chosen[class_name][UNFLAGGED] = pictures
    return dict(chosen)


def _unflagged(
    run: Run, kinds: Mapping[str, str], *, count: int, seed: int
) -> dict[str, list[Key]]:
    """Class -> up to ``count`` images without any flag, drawn by a hash of seed and image_id."""
    flagged = {id_ for frame in run.scan("flags", ["image_id"]) for id_ in frame.image_id}
    drawn: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    first = dict(list(kinds.items())[:1])
    for frame in run.scan("scores", ["image_id", "class_name", "method"], of_kinds(first)):
        for name, rows in frame.groupby("class_name"):
            class_name = str(name)
            tickets = [
                (hash_order(seed, image_id), image_id, method)
                for image_id, method in zip(rows["image_id"], rows["method"], strict=True)
                if image_id not in flagged
            ]
            drawn[class_name] = heapq.nsmallest(count, drawn[class_name] + tickets)
    return {
        class_name: [(image_id, method) for _, image_id, method in tickets]
        for class_name, tickets in drawn.items()
        if tickets
    }
