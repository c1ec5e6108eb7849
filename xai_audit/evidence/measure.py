"""Pairs measured in rounds, until an effect is surely below the limit or the pairs are spent.

Why the limit is ``evidence.stop_below`` and not ``evidence.min_reliance``: if the limit of the
verdict decided how many pairs of a cue are measured, another limit would mean measuring again. So
verdicts are judged on finished pairs, and changing their limit repeats no pair. Whoever wants to
confirm effects smaller than ``stop_below`` lowers that as well, for narrower intervals.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xai_audit.evidence.cells import ALL
from xai_audit.evidence.left_out import stop_if_broken
from xai_audit.evidence.plan import LOOK, OWN
from xai_audit.evidence.shared import shared_clusters
from xai_audit.schema import RELIANCE, TRANSPLANTS
from xai_audit.statistics.intervals import effect_interval
from xai_audit.vision.canvas import fitted, transplanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    import torch
    from numpy.typing import NDArray

    from xai_audit.evidence.plan import Cell, Pair
    from xai_audit.evidence.transplant import Row, Transplanter
    from xai_audit.types import Canvas, Cue

# Pairs of what is put on for a test, after each of which the effect is looked at.
_ADDED = 4 * LOOK


def measured(
    transplanter: Transplanter,
    cells: Sequence[Cell],
    *,
    clusters: Mapping[str, int],
    limit: float,
    sequential: bool,
    progress: Callable[[int], None],
) -> pa.Table:
    """The rows of TRANSPLANTS for ``cells``, in their order.

    A question is closed when its pairs are spent; if ``sequential`` also when its interval lies
    below the limit.

    Args:
        transplanter: the model.
        cells: whose pairs are measured.
        clusters: image id -> number of its cluster.
        limit: an effect surely below it is not measured further.
        sequential: whether a question is closed so early.
        progress: called with the number of transplanted photos just measured.

    Raises:
        PluginError: a cue breaks its contract, or one of the user's fails on all pairs of a cell.
    """
    # Reliance of every cell first, then pull of every cell.
    by_cell = [[(cell, pairs) for pairs in cell.questions] for cell in cells]
    planned = [one for each in zip(*by_cell, strict=True) for one in each]
    found: list[list[tuple[Pair, Row]]] = [[] for _ in planned]
    spent = [0] * len(planned)
    still = [number for number, (_, pairs) in enumerate(planned) if pairs]
    added = [transplanter.cues[cell.cue].way == "added" for cell, _ in planned]
    while still:
        looked: dict[Pair, int] = {}
        for number in still:
            cell, pairs = planned[number]
            # Pull and what the object adds are rare, so 4 pairs decide whether to go on; of
            # pull 8 where reliance cannot be measured.
            decides = cell.reliance and cell.measured_on == OWN
            rare = pairs is cell.whole or (pairs is cell.pull and decides)
            size = LOOK // 2 if rare and not spent[number] else LOOK
            # A stamp may take over a few classes alone, which the first photos are none of.
            size = _ADDED if added[number] else size
            own = number % len(cells)
            taken = len(cell.reliance) if own in still else spent[own]
            end = min(spent[number] + size, _end(cell, pairs, taken))
            look = pairs[spent[number] : end]
            spent[number] += len(look)
            looked |= dict.fromkeys(look, number)
        for pair, row in transplanter.run(list(looked)):
            found[looked[pair]].append((pair, row))
            progress(2)
        # A pull that has had its share waits for what its reliance may save.
        ends = [_end(cell, of, spent[at % len(cells)]) for at, (cell, of) in enumerate(planned)]
        still = [
            number
            for number in still
            if spent[number] < ends[number]
            and not (sequential and _surely_below(limit, found[number], clusters))
        ]
    for place, cell in enumerate(cells):
        spent_on = [pair for each in found[place :: len(cells)] for pair, _ in each]
        problems = [transplanter.problems[p] for p in spent_on if p in transplanter.problems]
        stop_if_broken(transplanter.cues[cell.cue], [p.image for p in spent_on], problems)
    tables = [transplanter.table(each) for each in found if each]
    return pa.concat_tables(tables) if tables else TRANSPLANTS.empty_table()


def _end(cell: Cell, pairs: Sequence[Pair], taken: int) -> int:
    """How many of ``pairs`` may be measured where reliance takes ``taken``."""
    if pairs is not cell.pull or cell.together is None:
        return len(pairs)
    return min(len(pairs), cell.together - taken)


def measured_jointly(
    transplanter: Transplanter,
    wanted: Sequence[tuple[Cell, str, str]],
    *,
    usable: Callable[[str], Set[str]],
    pairs: int,
    progress: Callable[[int], None],
    sets: Sequence[Pair] = (),
) -> pa.Table:
    """The rows of TRANSPLANTS with another cue's content put back, and of sets of cues.

    Args:
        transplanter: the model.
        wanted: (cell, the question that confirms it, the other cue).
        usable: cue -> the photos that it can be put back into.
        pairs: of each cell.
        progress: called with the number of transplanted photos just measured.
        sets: pairs of several cues that are replaced at once.
    """
    able_to = {other: usable(other) for _, _, other in wanted}
    planned: list[Pair] = []
    for cell, question, other in wanted:
        own = cell.reliance if question == RELIANCE else cell.pull
        able = [pair for pair in own if pair.image in able_to[other]][:pairs]
        planned += [replace(pair, given=other) for pair in able]
    found = []
    for one in transplanter.run([*planned, *sets]):
        found.append(one)
        progress(2)
    return transplanter.table(found)


def _surely_below(
    limit: float, found: Sequence[tuple[Pair, Row]], clusters: Mapping[str, int]
) -> bool:
    """Whether more pairs could not change the answer.

    An effect above the limit does not end measuring: that would select lucky early rounds.
    """
    ends = [(pair, row["p_with"], row["p_without"]) for pair, row in found]
    known = [(pair, a - b) for pair, a, b in ends if a is not None and b is not None]
    shared = shared_clusters((pair.photos for pair, _ in known), clusters)
    effects = np.array([effect for _, effect in known])
    return bool(effect_interval(effects, shared)[1] < limit)


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
