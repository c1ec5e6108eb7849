"""Pairs measured look by look, until an effect is surely small; committed a few classes a part."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xai_audit.evidence.plan import LOOK, PULL, RELIANCE, shown
from xai_audit.evidence.stats import paired
from xai_audit.evidence.transplant import Outcome, Task
from xai_audit.schema import TRANSPLANTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    from xai_audit.evidence.plan import Cell, Pair
    from xai_audit.evidence.transplant import Transplanter


@dataclass(frozen=True)
class Scope:
    """What the measuring needs to know besides the cells.

    Attributes:
        ids: image ids of the selected rows.
        classes: their class names.
        labels: class name -> model output.
        limit: smallest effect that counts.
        sequential: whether a question is closed as soon as its effect is surely below the limit.
        seed: of the run.
    """

    ids: Sequence[str]
    classes: Sequence[str]
    labels: Mapping[str, int]
    limit: float
    sequential: bool
    seed: int


def measured(
    transplanter: Transplanter, cells: Sequence[Cell], scope: Scope, progress: Callable[[int], None]
) -> pa.Table:
    """The rows of TRANSPLANTS for ``cells``, in their order.

    A question is closed when its pairs are spent; if ``sequential`` also when its interval lies
    below the limit.
    """
    asked = [(cell, RELIANCE, cell.reliance) for cell in cells]
    asked += [(cell, PULL, cell.pull) for cell in cells]
    outcomes: list[list[Outcome]] = [[] for _ in asked]
    spent = [0] * len(asked)
    still = [number for number, (_, _, pairs) in enumerate(asked) if pairs]
    while still:
        tasks: dict[Task, int] = {}
        for number in still:
            cell, question, pairs = asked[number]
            # Most cells pull nobody, which four pairs show; where pull is all there is, look well.
            first = question == PULL and cell.reliance and not spent[number]
            size = LOOK // 2 if first else LOOK
            look = pairs[spent[number] : spent[number] + size]
            spent[number] += len(look)
            tasks |= {_task(cell, question, pair, scope): number for pair in look}
        for outcome in transplanter.run(list(tasks)):
            outcomes[tasks[outcome.task]].append(outcome)
            progress(2)
        still = [
            number
            for number in still
            if spent[number] < len(asked[number][2]) and _open(outcomes[number], scope)
        ]
    return rows_of([outcome for found in outcomes for outcome in sorted(found, key=_order)], scope)


def beyond(
    transplanter: Transplanter,
    wanted: Sequence[tuple[Cell, str, str]],
    scope: Scope,
    *,
    usable: Mapping[str, Set[int]],
    pairs: int,
    progress: Callable[[int], None],
) -> pa.Table:
    """The rows of TRANSPLANTS with another cue's content put back.

    Args:
        transplanter: the model.
        wanted: (cell, the question that it answered with yes, the other cue).
        scope: of the run.
        usable: cue -> the rows of the photos that it can be put back into.
        pairs: of each cell.
        progress: called with the number of transplanted photos just measured.
    """
    tasks = []
    for cell, question, other in wanted:
        given = cell.reliance if question == RELIANCE else cell.pull
        able = [pair for pair in given if pair.image in usable[other]][:pairs]
        tasks += [_task(cell, question, pair, scope, beyond=other) for pair in able]
    found = []
    for outcome in transplanter.run(tasks):
        found.append(outcome)
        progress(2)
    return rows_of(sorted(found, key=_order), scope)


def _task(cell: Cell, question: str, pair: Pair, scope: Scope, beyond: str | None = None) -> Task:
    label = scope.labels[cell.class_name]
    return Task(cell.class_name, label, cell.cue, question, pair, beyond)


def _order(outcome: Outcome) -> tuple[str, ...]:
    task = outcome.task
    pair = (task.pair.image, task.pair.donor_with, task.pair.donor_without)
    return (task.class_name, task.cue, task.beyond or "", *(f"{row:012d}" for row in pair))


def _open(outcomes: list[Outcome], scope: Scope) -> bool:
    """Whether more pairs are wanted: always, or where they could change the answer."""
    if not scope.sequential:
        return True
    effects = np.array([o.probability[0] - o.probability[1] for o in outcomes])
    # Not closed by an effect above the limit: of many cells that would pick the lucky looks.
    return not paired(effects[np.isfinite(effects)], seed=scope.seed).high < scope.limit


def rows_of(outcomes: Sequence[Outcome], scope: Scope) -> pa.Table:
    """Outcomes as rows of TRANSPLANTS."""
    rows = []
    for outcome in outcomes:
        task = outcome.task
        pair, own = task.pair, scope.labels[scope.classes[task.pair.image]]
        failed = -1 in outcome.pred
        rows.append(
            {
                "class_name": task.class_name,
                "cue": shown(task.cue),
                "question": task.question,
                "beyond": None if task.beyond is None else shown(task.beyond),
                "image_id": scope.ids[pair.image],
                "image_class": scope.classes[pair.image],
                "donor_with": scope.ids[pair.donor_with],
                "donor_without": scope.ids[pair.donor_without],
                "donor_without_class": scope.classes[pair.donor_without],
                "p_with": _null(outcome.probability[0]),
                "p_without": _null(outcome.probability[1]),
                "log_odds_with": _null(outcome.log_odds[0]),
                "log_odds_without": _null(outcome.log_odds[1]),
                "correct_with": None if failed else outcome.pred[0] == own,
                "correct_without": None if failed else outcome.pred[1] == own,
            }
        )
    return pa.Table.from_pylist(rows, schema=TRANSPLANTS)


def _null(value: float) -> float | None:
    return None if value != value else value


def plan_text(cells: Sequence[Cell]) -> str:
    """The cells as text, for a fingerprint."""
    return json.dumps(
        [
            [c.class_name, c.cue, c.measured_on, [vars(p) for p in (*c.reliance, *c.pull)]]
            for c in cells
        ]
    )
