"""The most confused pairs of classes, counted over all photos."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from xai_audit.run.files import scan
from xai_audit.run.paths import RunPaths
from xai_audit.schema import ATTRIBUTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONTRAST = "contrast"
# A pair's nearness is the median of this many smallest margins.
_NEAREST = 5
_COLUMNS = ["image_id", "class_name", "label", "pred", "against", "target_score"]


@dataclass(frozen=True)
class Pair:
    """Two classes that the model confuses.

    Attributes:
        names: of the classes, in alphabetical order.
        confused: photos of either that are predicted as the other.
        near: median of the up to five smallest margins of photos that are just not confused;
            inf without such a photo.
    """

    names: tuple[str, str]
    confused: int
    near: float

    @property
    def directions(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """(class, other class) both ways."""
        return self.names, (self.names[1], self.names[0])


@dataclass
class _Found:
    """A pair's counts so far; the margins are negated, as a heap needs them."""

    confused: int = 0
    near: list[float] = field(default_factory=list)

    def add(self, margin: float, *, confused: bool) -> None:
        self.confused += confused
        if confused:
            return
        if len(self.near) < _NEAREST:
            heapq.heappush(self.near, -margin)
        else:
            heapq.heappushpop(self.near, -margin)


def most_confused(
    paths: RunPaths, names: Mapping[int, str], *, method: str, pairs: int
) -> list[Pair]:
    """At most ``pairs`` pairs of classes, the most confused first.

    By the number of confused photos, then by how near the nearest of the others come, then by
    name. A photo belongs to the pair of its class and the strongest other class, which is the
    prediction where that is wrong. Pairs with an output that is no class of the dataset are left
    out.

    Args:
        paths: of the run.
        names: model output -> class name.
        method: of the rows that are read; predictions and margins are the same for all.
        pairs: at most.

    Raises:
        OutputError: a part cannot be read.
    """
    found: dict[tuple[str, str], _Found] = defaultdict(_Found)
    for frame in contrasts(paths, names, _COLUMNS, ds.field("method") == method):
        rows = zip(
            *(frame[name] for name in ("class_name", "other_class", "target_score", "confused")),
            strict=True,
        )
        for name, other, margin, confused in rows:
            found[min(name, other), max(name, other)].add(margin, confused=confused)
    pairs_found = [
        Pair(key, seen.confused, -float(np.median(seen.near)) if seen.near else math.inf)
        for key, seen in found.items()
    ]
    return sorted(pairs_found, key=lambda pair: (-pair.confused, pair.near, pair.names))[:pairs]


def contrasts(
    paths: RunPaths, names: Mapping[int, str], columns: list[str], where: ds.Expression
) -> Iterator[pd.DataFrame]:
    """The rows of attributions that explain a margin, with ``other_class`` and ``confused``.

    Rows without a class or a margin are left out, and rows with a strongest other class that is
    not in the dataset.

    Args:
        paths: of the run.
        names: model output -> class name.
        columns: of the table; all of ``class_name``, ``label``, ``pred``, ``against`` and
            ``target_score`` among them.
        where: which rows.
    """
    only = where & (ds.field("target_kind") == CONTRAST)
    for frame in scan(RunPaths.parts(paths.attributions), ATTRIBUTIONS, columns, only):
        other = frame["against"].map(names)
        known = other.notna() & frame["class_name"].notna() & frame["target_score"].notna()
        known &= frame["pred"].notna() & (other != frame["class_name"])
        found = frame.assign(other_class=other)[known]
        wrong = (found["pred"] == found["against"]) & (found["pred"] != found["label"])
        yield found.assign(confused=wrong)
