"""Pairs measured in rounds, until an effect is surely below the limit or the pairs are spent.

Why the limit is ``evidence.stop_below`` and not ``evidence.min_reliance``: if the limit of the
verdict decided how many pairs of a cue are measured, another limit would mean measuring again. So
verdicts are judged on finished pairs, and changing their limit repeats no pair. Whoever wants to
confirm effects smaller than ``stop_below`` lowers that as well, for narrower intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xai_audit.evidence.cells import ALL
from xai_audit.evidence.plan import LOOK, PULL, RELIANCE, shown
from xai_audit.evidence.transplant import Outcome, Task
from xai_audit.schema import TRANSPLANTS
from xai_audit.statistics.intervals import difference_interval
from xai_audit.vision.canvas import fitted, transplanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    import torch
    from numpy.typing import NDArray

    from xai_audit.evidence.plan import Cell, Pair
    from xai_audit.evidence.transplant import Transplanter
    from xai_audit.types import Canvas, Cue


@dataclass(frozen=True)
class Scope:
    """What measuring needs besides the cells.

    Attributes:
        place: image id -> its place in the manifest.
        classes: image id -> its class.
        labels: class name -> model output.
        limit: an effect surely below it is not measured further.
        sequential: whether a question is closed as soon as its effect is surely below the limit.
        seed: of the run.
    """

    place: Mapping[str, int]
    classes: Mapping[str, str]
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
    planned = [(cell, RELIANCE, cell.reliance) for cell in cells]
    planned += [(cell, PULL, cell.pull) for cell in cells]
    outcomes: list[list[Outcome]] = [[] for _ in planned]
    spent = [0] * len(planned)
    still = [number for number, (_, _, pairs) in enumerate(planned) if pairs]
    while still:
        tasks: dict[Task, int] = {}
        for number in still:
            cell, question, pairs = planned[number]
            # Pull is rare, so 4 pairs decide whether to go on; 8 where reliance cannot be measured.
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
            if spent[number] < len(planned[number][2]) and _open(outcomes[number], scope)
        ]
    return rows_of([one for found in outcomes for one in _in_order(found, scope)], scope)


def measured_jointly(
    transplanter: Transplanter,
    wanted: Sequence[tuple[Cell, str, str]],
    scope: Scope,
    *,
    usable: Callable[[str], Set[str]],
    pairs: int,
    progress: Callable[[int], None],
) -> pa.Table:
    """The rows of TRANSPLANTS with another cue's content put back.

    Args:
        transplanter: the model.
        wanted: (cell, the question that confirms it, the other cue).
        scope: of the run.
        usable: cue -> the photos that it can be put back into.
        pairs: of each cell.
        progress: called with the number of transplanted photos just measured.
    """
    able_to = {other: usable(other) for _, _, other in wanted}
    tasks = []
    for cell, question, other in wanted:
        planned = cell.reliance if question == RELIANCE else cell.pull
        able = [pair for pair in planned if pair.image in able_to[other]][:pairs]
        tasks += [_task(cell, question, pair, scope, given=other) for pair in able]
    found = []
    for outcome in transplanter.run(tasks):
        found.append(outcome)
        progress(2)
    return rows_of(_in_order(found, scope), scope)


def _task(cell: Cell, question: str, pair: Pair, scope: Scope, given: str | None = None) -> Task:
    label = scope.labels[cell.class_name]
    return Task(cell.class_name, label, cell.cue, question, pair, given)


def _in_order(outcomes: Sequence[Outcome], scope: Scope) -> list[Outcome]:
    """By class, cue and the photos' places in the manifest, whatever order they came in."""

    def order(outcome: Outcome) -> tuple[str, str, str, int, int, int]:
        task, pair = outcome.task, outcome.task.pair
        image, first, second = (
            scope.place[one] for one in (pair.image, pair.donor_with, pair.donor_without)
        )
        return task.class_name, task.cue, task.given or "", image, first, second

    return sorted(outcomes, key=order)


def _open(outcomes: list[Outcome], scope: Scope) -> bool:
    """Whether more pairs are wanted: always, or where they could change the answer."""
    if not scope.sequential:
        return True
    effects = np.array([o.probability[0] - o.probability[1] for o in outcomes])
    # An effect above the limit does not end measuring: that would select lucky early rounds.
    return not difference_interval(effects[np.isfinite(effects)])[1] < scope.limit


def rows_of(outcomes: Sequence[Outcome], scope: Scope) -> pa.Table:
    """Outcomes as rows of TRANSPLANTS."""
    rows = []
    for outcome in outcomes:
        task = outcome.task
        pair = task.pair
        own = scope.labels[scope.classes[pair.image]]
        failed = -1 in outcome.pred
        rows.append(
            {
                "class_name": task.class_name,
                "cue": shown(task.cue),
                "question": task.question,
                "given": None if task.given is None else shown(task.given),
                "image_id": pair.image,
                "image_class": scope.classes[pair.image],
                "donor_with": pair.donor_with,
                "donor_without": pair.donor_without,
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


class Together:
    """The cues of one photo replaced by those of one donor, one after another.

    Args:
        cues: in this order; cues that add something (``way="added"``) are left out, and so is one
            that would change the photo's shape.
    """

    way = "both"
    needs_mask = False

    def __init__(self, cues: Sequence[Cue]) -> None:
        self.name = ALL
        self._cues = [cue for cue in cues if cue.way in ("both", "down")]

    def fitted(self, canvases: Sequence[Canvas]) -> Together:
        """These cues, each fitted to ``canvases``."""
        return Together([fitted(cue, canvases) for cue in self._cues])

    def region(self, canvas: Canvas) -> torch.Tensor | None:
        """None: all cues together have no region of their own."""
        del canvas
        return None

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """None: it is only transplanted."""
        del canvas
        return None

    def level(self, canvas: Canvas) -> float:
        """NaN: it is not a property."""
        del canvas
        return float("nan")

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo (3, h, w) with every cue of the donor."""
        photo = canvas.photo
        masked = canvas.object is not None and donor.object is not None
        for cue in self._cues:
            now = replace(canvas, photo=photo)
            if self._left_out(cue, now, masked=masked):
                continue
            changed = transplanted(cue, now, donor)
            if changed.shape == photo.shape:
                photo = changed
        return photo

    def _left_out(self, cue: Cue, canvas: Canvas, *, masked: bool) -> bool:
        """Whether the cue is not transplanted by itself here.

        It is left out where it needs a mask and there is none, and where it is a region of the
        background (border, corners) that is replaced as a whole.
        """
        if cue.needs_mask:
            return not masked
        within = masked and any(other.needs_mask for other in self._cues)
        return within and cue.region(canvas) is not None
