"""The rule ``no_worse_than``: no cell and no accuracy is surely worse than in an earlier audit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.gate.cells import cell_of, of_nothing, with_interval
from xai_audit.gate.outcome import (
    CANNOT_TELL,
    NOT_APPLICABLE,
    PASSED,
    VIOLATED,
    Outcome,
    unmeasured,
)
from xai_audit.report.accuracy import Share, predictions
from xai_audit.report.answers import Finding, read_findings, worst_first
from xai_audit.run.verdicts import CONFIRMED, UNDETERMINED
from xai_audit.schema import DISCOVERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.gate.cells import Cells
    from xai_audit.run.reader import Run

_RULE, _EXPECTED = "gate.no_worse_than", "no cell and no accuracy surely worse than in {}"
_NAMED = 5
_READS = "of each difference the end nearer to 0 (of independent estimates; Zou and Donner 2008)"


@dataclass(frozen=True)
class _Change:
    """What became of a cell: whether it is surely worse, and the words for it."""

    cell: str
    worse: bool
    text: str


def no_worse(run: Run, cells: Cells, baseline: Run) -> Outcome:
    """No cell is confirmed that surely was less so in ``baseline``, and accuracy did not fall.

    A discovered region is another one in each run, so that none is compared.
    """
    expected = _EXPECTED.format(baseline.root)
    if (nothing := of_nothing(cells, _RULE, expected)) is not None:
        return nothing
    earlier = {cell_of(f): f for f in read_findings(baseline)}
    if not earlier:
        remedy = "finish the evidence of the earlier audit"
        return unmeasured(_RULE, expected, f"no verdicts in {baseline.root}", remedy)
    mine = worst_first([f for f in cells.kept if not f.cue.startswith(DISCOVERED)])
    shared = [f for f in mine if cell_of(f) in earlier]
    if not shared:
        text = "no class and cue in common"
        return Outcome(_RULE, NOT_APPLICABLE, expected, text, _READS)
    changes = [found for f in mine if (found := _changed(f, earlier.get(cell_of(f)))) is not None]
    worse = [each for each in changes if each.worse]
    fell, accuracy = _accuracy(run, baseline)
    group = VIOLATED if worse or fell else CANNOT_TELL if changes else PASSED
    count = f"{len(worse)} of {len(shared)} shared cells worse"
    unsure = f"; {len(changes) - len(worse)} cannot be told" if len(changes) > len(worse) else ""
    shown = (worse or changes)[:_NAMED]
    text = "; ".join([count + unsure, *(each.text for each in shown), accuracy])
    return Outcome(
        _RULE, group, expected, text, _READS, float(len(worse)),
        cells=tuple(each.cell for each in shown),
        remedy=None if group == PASSED else "compare both reports",
    )  # fmt: skip


def _changed(now: Finding, was: Finding | None) -> _Change | None:
    """What is, or may be, worse of a cell; None where nothing is."""
    cell = cell_of(now)
    if now.verdict == UNDETERMINED:
        if was is None or was.verdict in (CONFIRMED, UNDETERMINED):
            return None
        return _Change(cell, False, f"{cell} {was.verdict} there, undetermined here")
    if now.verdict != CONFIRMED:
        return None
    here = with_interval(now.effect, now.low, now.high)
    if was is None or was.verdict == UNDETERMINED:
        there = "not examined" if was is None else "undetermined"
        return _Change(cell, False, f"{cell} {there} there, confirmed here, {here}")
    keys = (now.question, f"{now.question}_low", f"{now.question}_high")
    before = tuple(was.row[key] for key in keys)
    low = _lowest_difference((now.effect, now.low, now.high), before)
    surely = low is not None and low > 0
    if was.verdict == CONFIRMED and not surely:
        return None
    there = f"{was.verdict} there, {with_interval(*before)}"
    return _Change(cell, surely, f"{cell} {there}, confirmed here, {here}")


def _lowest_difference(now: Sequence[float | None], was: Sequence[float | None]) -> float | None:
    """The lower end of the interval of ``now - was``, each a value and its two ends.

    Zou and Donner 2008 (Statistics in Medicine 27, 1693), eq. 3: of independent estimates. Those
    of the same photos go up and down together, which makes it wider than it need be.
    """
    if None in (*now, *was):
        return None
    (value, low, _), (other, _, high) = now, was
    return value - other - math.hypot(value - low, high - other)  # type: ignore[operator]


def _accuracy(run: Run, baseline: Run) -> tuple[bool, str]:
    """Whether accuracy on the photos in common surely fell, and the words for it."""
    mine, theirs = predictions(run), predictions(baseline)
    if mine is None or theirs is None:
        return False, "accuracy not compared: no predictions"
    both = mine.merge(theirs, on=["image_id", "class_name"], suffixes=("", "_was"))
    if both.empty:
        return False, "accuracy not compared: no photo in common"
    now, was = (Share.of(float(both[name].mean()), len(both)) for name in ("right", "right_was"))
    ends = [(each.value, each.low, each.high) for each in (was, now)]
    low = _lowest_difference(*ends)
    text = f"accuracy {now.value:.3f} here, {was.value:.3f} there, {len(both):,} photos in common"
    return low is not None and low > 0, text
