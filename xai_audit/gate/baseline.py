"""The rule ``no_worse_than``: no confirmed cell and no accuracy surely worse than in an audit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.compare.cells import cell_rows
from xai_audit.compare.comparison import NOISE
from xai_audit.compare.decided import in_both, photos_of, predictions
from xai_audit.compare.measures import clusters_of
from xai_audit.compare.shared import Side, check_labels, joined, shared
from xai_audit.compare.words import APPEARED, UNCLEAR, WORSE, signed, with_words
from xai_audit.gate.cells import cell_of, of_nothing, with_interval
from xai_audit.gate.outcome import (
    CANNOT_TELL,
    NOT_APPLICABLE,
    PASSED,
    VIOLATED,
    Outcome,
    unmeasured,
)
from xai_audit.report.answers import Finding, read_findings, worst_first
from xai_audit.run.verdicts import CONFIRMED, UNDETERMINED
from xai_audit.schema import DISCOVERED
from xai_audit.statistics.intervals import difference_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from xai_audit.compare.shared import Shared
    from xai_audit.gate.cells import Cells
    from xai_audit.run.reader import Run

_RULE, _EXPECTED = "gate.no_worse_than", "no confirmed cell and no accuracy surely worse than in {}"
_NAMED = 5
_READS = (
    "of each paired difference the lower end, with the false discovery rate over all cells kept"
)


@dataclass(frozen=True)
class _Change:
    """What became of a cell: whether it is surely worse, and the words for it."""

    cell: str
    worse: bool
    text: str


def no_worse(run: Run, cells: Cells, baseline: Run) -> Outcome:
    """No cell is confirmed that surely was less so in ``baseline``, and accuracy did not fall.

    Differences are those of a comparison: pair by pair where both audits measured the same pairs.
    A discovered region is another one in each run, so that none is compared.

    Raises:
        OutputError: a table of either run is missing or broken.
    """
    expected = _EXPECTED.format(baseline.root)
    sides = Side("there", baseline), Side("here", run)
    check_labels(*sides)
    if (nothing := of_nothing(cells, _RULE, expected)) is not None:
        return nothing
    earlier = {cell_of(f): f for f in read_findings(baseline)} if baseline.has("evidence") else {}
    if not earlier:
        remedy = "finish the evidence of the earlier audit"
        return unmeasured(_RULE, expected, f"no verdicts in {baseline.root}", remedy)
    mine = worst_first([f for f in cells.kept if not f.cue.startswith(DISCOVERED)])
    count = sum(cell_of(f) in earlier for f in mine)
    if not count:
        text = "no class and cue in common"
        return Outcome(_RULE, NOT_APPLICABLE, expected, text, _READS)
    common = shared(*sides)
    changes = [*_changes(mine, earlier, _compared(*sides, common))]
    worse = [each for each in changes if each.worse]
    fell, accuracy = _accuracy(*sides, common)
    group = VIOLATED if worse or fell else CANNOT_TELL if changes else PASSED
    text = f"{len(worse)} of {count} shared cells confirmed and worse"
    if len(changes) > len(worse):
        text += f"; {len(changes) - len(worse)} cannot be told"
    shown = (worse or changes)[:_NAMED]
    return Outcome(
        _RULE, group, expected, "; ".join([text, *(each.text for each in shown), accuracy]),
        _READS, float(len(worse)), cells=tuple(each.cell for each in shown),
        remedy=None if group == PASSED else f"xai-audit compare {baseline.root} {run.root}",
    )  # fmt: skip


def _compared(before: Side, after: Side, common: Shared) -> dict[str, Mapping[str, Any]]:
    """``class/cue`` -> its row of COMPARISON."""
    q = float((before.run.record.get("limits") or {}).get("q", 0.05))
    rows = cell_rows(before, after, common)
    judged = with_words(rows, reference=before.name, noise=NOISE, q=q)
    return {f"{row['class_name']}/{row['cue']}": row for row in judged}


def _changes(
    now: Iterable[Finding], was: Mapping[str, Finding], rows: Mapping[str, Mapping[str, Any]]
) -> Iterator[_Change]:
    """What is, or may be, worse."""
    for finding in now:
        cell = cell_of(finding)
        row, before = rows[cell], was.get(cell)
        verdict = "not examined" if before is None else before.verdict
        rose = row["word"] in (APPEARED, WORSE)
        is_open = row["word"] == UNCLEAR and verdict not in (CONFIRMED, finding.verdict)
        if finding.verdict == CONFIRMED and (rose or is_open):
            yield _Change(cell, rose, f"{cell} {verdict} there, {_moved(finding, row)}")
        elif finding.verdict == UNDETERMINED and before is not None and (rose or is_open):
            yield _Change(cell, False, f"{cell} {verdict} there, {_moved(finding, row)}")


def _moved(finding: Finding, row: Mapping[str, Any]) -> str:
    """The finding with its interval, and the difference with its own."""
    text = f"{finding.verdict} here, {with_interval(finding.effect, finding.low, finding.high)}"
    value, low, high = (row[f"difference{end}"] for end in ("", "_low", "_high"))
    if math.isnan(low):
        return text
    how = f"{row['n_compared']} {row['compared']}" if row["n_compared"] else row["compared"]
    return f"{text}: {signed(value)} ({signed(low)} to {signed(high)}; {how})"


def _accuracy(before: Side, after: Side, common: Shared) -> tuple[bool, str]:
    """Whether accuracy on the photos in common surely fell, and the words for it."""
    if not all(side.run.finished("score") and side.run.has("scores") for side in (before, after)):
        return False, "accuracy not compared: no predictions"
    both = in_both(predictions(before)[["right"]], predictions(after)[["right"]], common)
    if both.empty:
        return False, "accuracy not compared: no photo in common"
    was, now = (both[name].to_numpy(np.float64) for name in ("right_reference", "right"))
    ids = photos_of(both)
    clusters = clusters_of(ids, joined(before.clusters, after.clusters))
    low, high = difference_interval(now - was, clusters)
    shares = f"{now.mean():.3f} here, {was.mean():.3f} there"
    ends = "" if math.isnan(low) else f" ({signed(low)} to {signed(high)})"
    return high < 0, f"accuracy {shares}{ends}, {ids.nunique():,} photos in common"
