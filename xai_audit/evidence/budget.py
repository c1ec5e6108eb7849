"""The budget of forwards: which pairs are measured where not all can be.

Each of the three stages that measure pairs has a fixed share of it, so that what one of them saves
does not change what another one does. A pair is planned as two forwards; pairs that share a view,
and cells that are decided early, cost less, so that the budget is never exceeded.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow.dataset as ds

from xai_audit.evidence.cells import ALL
from xai_audit.evidence.columns import ATTENTION, AVAILABILITY
from xai_audit.evidence.plan import LOOK
from xai_audit.language import tell
from xai_audit.run.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xai_audit.evidence.plan import Cell

# A small budget goes to the most telling cells, many of which are confirmed: then it takes about as
# many forwards to tell overlapping ones apart as it took to confirm them.
SHARES = {"transplant": 0.6, "carriers": 0.1, "joint": 0.3}

Name = tuple[str, str]
"""Class and key of a cue."""


def budget_mark(stage: str, budget: int | None) -> list[int] | None:
    """What a budget decides of ``stage``, for its fingerprint; None without one."""
    return None if budget is None else [budget, share(stage, budget)]


def share(stage: str, budget: int) -> int:
    """The forwards that ``stage`` may plan."""
    return int(SHARES[stage] * budget)


def telling(paths: RunPaths) -> dict[Name, float]:
    """(class, cue) -> how likely its answer is worth having, 0..1; absent is 0.

    The larger of 2 AUROC - 1, which is 1 where the cue alone tells the class, and the largest
    share of the relevance that the cue draws beyond its expectation.
    """
    found: dict[Name, float] = {}
    tables = ((paths.availability, AVAILABILITY, 2.0, -1.0), (paths.attention, ATTENTION, 1.0, 0.0))
    for folder, schema, scale, shift in tables:
        for name, cue, value in _values(folder, schema):
            if value is not None and not math.isnan(value):
                found[name, cue] = max(found.get((name, cue), 0.0), scale * value + shift)
    return found


def _values(folder: Path, schema: pa.Schema) -> Iterator[tuple[str, str, float | None]]:
    files = [str(file) for file in RunPaths.parts(folder)]
    if files:
        columns = ["class_name", "cue", "value"]
        table = ds.dataset(files, schema=schema).to_table(columns=columns)
        yield from zip(*(table.column(name).to_pylist() for name in columns), strict=True)


def in_order(names: Sequence[Name], worth: Mapping[Name, float]) -> list[Name]:
    """The cells in the order in which they are served: the most telling first, then by cue.

    That of all cues at once, which is about no cue, comes last.
    """
    return sorted(names, key=lambda one: (one[1] == ALL, -worth.get(one, 0.0), one[1], one[0]))


def allotted(
    counts: Mapping[Name, Sequence[int]], worth: Mapping[Name, float], forwards: int
) -> dict[Name, list[int]]:
    """(class, cue) -> how many pairs of each question are measured, with ``forwards`` at most.

    Cells are served in rounds, in each in the order of :func:`in_order`: the first eight pairs of
    reliance and of pull of every cell, then the next eight of every cell, and the first of its
    other questions, and so on. The first portion that does not fit ends it, so that the pairs of
    a smaller budget are the first ones of a larger one.

    Args:
        counts: (class, cue) -> pairs of each question of :attr:`Cell.questions`.
        worth: of :func:`telling`.
        forwards: a pair is two.
    """
    found = {name: [0] * len(each) for name, each in counts.items()}
    waiting, left, number = in_order([*counts], worth), forwards // 2, 0
    while waiting:
        for name in waiting:
            portion = _portion(counts[name], number)
            left -= sum(portion)
            if left < 0:
                return found
            found[name] = [have + more for have, more in zip(found[name], portion, strict=True)]
        waiting = [name for name in waiting if found[name] != [*counts[name]]]
        number += 1
    return found


def _portion(counts: Sequence[int], number: int) -> list[int]:
    """The pairs of each question in round ``number``; what only informs waits for one round."""
    late = [0, 0, *[1] * (len(counts) - 2)]
    return [
        min(LOOK, max(count - LOOK * (number - wait), 0)) if number >= wait else 0
        for count, wait in zip(counts, late, strict=True)
    ]


def affordable(costs: Mapping[Name, int], worth: Mapping[Name, float], forwards: int) -> set[Name]:
    """The cells that ``forwards`` pay for, in the order of :func:`in_order`; the rest is left."""
    found, left = set(), forwards
    for name in in_order([*costs], worth):
        left -= costs[name]
        if left < 0:
            break
        found.add(name)
    return found


def within(cell: Cell, pairs: Sequence[int], budget: int) -> Cell:
    """``cell`` with its first ``pairs`` of each question, and how many forwards were left out.

    Args:
        cell: as planned without a budget.
        pairs: of each question.
        budget: the whole one, in words.
    """
    kept = [each[:count] for each, count in zip(cell.questions, pairs, strict=True)]
    left = 2 * (len(cell.pairs) - sum(map(len, kept)))
    why = cell.why
    if left and not any(kept):
        why = tell(
            "the budget of {budget:d} forwards was spent before; {left:d} are needed for it "
            "(evidence.max_forwards)",
            budget=budget,
            left=left,
        )
    reliance, pull, scrambled, whole = kept
    return replace(
        cell,
        reliance=reliance,
        pull=pull,
        scrambled=scrambled,
        whole=whole,
        why=why,
        left=left,
    )
