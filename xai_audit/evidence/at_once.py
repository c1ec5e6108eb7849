"""Several cues of one class that are taken away at once: their key, pairs and effect."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.evidence.plan import MIN_IMAGES, discovered
from xai_audit.statistics.estimate import Estimate
from xai_audit.statistics.intervals import difference_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set

    import pandas as pd

    from xai_audit.evidence.plan import Cell, Pair

# Between the names of cues that are replaced at once.
JOIN = "+"


def set_key(parts: Sequence[str], class_name: str) -> str:
    """The key of the cues of one class that are taken away at once."""
    return discovered(JOIN.join(parts), class_name)


def set_pairs(
    cells: Sequence[Cell], key: str, usable: Callable[[str], Set[str]], count: int
) -> list[Pair]:
    """The pairs of the first part's cell whose photos can take and give every part, ``count``."""
    able = set.intersection(*({*usable(cell.cue)} for cell in cells))
    kept = [pair for pair in cells[0].reliance if able.issuperset(pair.photos)]
    return [replace(pair, cue=key) for pair in kept[:count]]


def joint_effects(joint: pd.DataFrame) -> dict[tuple[str, tuple[str, ...]], Estimate]:
    """(class, parts) -> what the class's photos lose when all parts are taken away at once."""
    sets = joint[joint["cue"].str.contains(JOIN, regex=False) & joint["given"].isna()]
    found = {}
    for (name, cues), rows in sets.groupby(["class_name", "cue"]):
        lost = (rows["p_with"] - rows["p_without"]).dropna().to_numpy(np.float64)
        if len(lost) >= MIN_IMAGES:
            ends = difference_interval(lost)
            cell = str(name), tuple(str(cues).split(JOIN))
            found[cell] = Estimate(float(lost.mean()), *ends, math.nan)
    return found
