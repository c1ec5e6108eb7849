"""Which images the galleries show: the most suspicious, and some unsuspicious to compare with."""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from typing import TYPE_CHECKING

import pyarrow.dataset as ds

from xai_audit.run.paths import RunPaths
from xai_audit.run.scan import scan
from xai_audit.run.score_rows import collect, of_kinds
from xai_audit.schema import FLAGS, SCORES

if TYPE_CHECKING:
    from collections.abc import Mapping

# One picture: an image explained by a method.
Key = tuple[str, str]

UNFLAGGED = "unflagged"


def pick(
    paths: RunPaths, kinds: Mapping[str, str], *, per_reason: int, seed: int
) -> dict[str, dict[str, list[Key]]]:
    """Class -> reason -> pictures, most suspicious first; ``unflagged`` last in each class."""
    chosen: dict[str, dict[str, list[Key]]] = defaultdict(dict)
    columns = ["image_id", "class_name", "method", "reason", "rank"]
    top = collect([paths.flags], FLAGS, columns, ds.field("rank") <= per_reason)
    top = top.sort_values(["class_name", "rank"], kind="stable")
    for class_name, reason, image_id, method in zip(
        *(top[name] for name in ("class_name", "reason", "image_id", "method")), strict=True
    ):
        chosen[class_name].setdefault(reason, []).append((image_id, method))
    for class_name, pictures in _unflagged(paths, kinds, count=per_reason, seed=seed).items():
        chosen[class_name][UNFLAGGED] = pictures
    return dict(chosen)


def _unflagged(
    paths: RunPaths, kinds: Mapping[str, str], *, count: int, seed: int
) -> dict[str, list[Key]]:
    """Class -> up to ``count`` images without any flag, drawn by a hash of seed and image_id."""
    flagged = {id_ for frame in scan([paths.flags], FLAGS, ["image_id"]) for id_ in frame.image_id}
    drawn: dict[str, list[tuple[bytes, str, str]]] = defaultdict(list)
    first = dict(list(kinds.items())[:1])
    columns = ["image_id", "class_name", "method"]
    for frame in scan(RunPaths.parts(paths.scores), SCORES, columns, of_kinds(first)):
        for name, rows in frame.groupby("class_name"):
            class_name = str(name)
            tickets = [
                (_ticket(seed, image_id), image_id, method)
                for image_id, method in zip(rows["image_id"], rows["method"], strict=True)
                if image_id not in flagged
            ]
            drawn[class_name] = heapq.nsmallest(count, drawn[class_name] + tickets)
    return {
        class_name: [(image_id, method) for _, image_id, method in tickets]
        for class_name, tickets in drawn.items()
        if tickets
    }


def _ticket(seed: int, image_id: str) -> bytes:
    """A draw that depends on seed and image alone."""
    return hashlib.blake2b(f"{seed}:{image_id}".encode(), digest_size=8).digest()
