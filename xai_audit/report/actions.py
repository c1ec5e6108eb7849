"""What to do about each finding: which photos, what with them, the command that checks again."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.report.again import command
from xai_audit.report.answers import decisions, likely_effect, read_findings, worst_first
from xai_audit.report.picture import class_folder
from xai_audit.report.remedies import expected, remedies
from xai_audit.run.files import rows_of
from xai_audit.run.paths import safe_name
from xai_audit.run.verdicts import CONFIRMED, UNDETERMINED
from xai_audit.schema import CARRIERS, RELIANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xai_audit.report.answers import Finding
    from xai_audit.report.facts import RunFacts
    from xai_audit.run.reader import Run

# What a reader can work through; the tables hold all findings.
MOST_ACTIONS = 12
# What makes a spreadsheet run a text as a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Action:
    """What to do about one finding.

    Attributes:
        finding: confirmed, or likely: undetermined, with a large effect.
        file: CSV list of photos, relative to the report's folder; None where none is known.
        content: of that file, rows of CARRIERS.
        count: of its photos.
        carriers: whether they are known to carry the cue; else they are the class's photos that
            were measured, and the effect is what they lose.
        remedies: what to do, the most direct first.
        expected: which measured number would move and towards what, or None.
        command: that checks again, or None where no command line can.
    """

    finding: Finding
    file: str | None
    content: str
    count: int
    carriers: bool
    remedies: tuple[str, ...]
    expected: str | None
    command: str | None

    @property
    def sure(self) -> bool:
        """Whether it is confirmed."""
        return self.finding.verdict == CONFIRMED


@dataclass(frozen=True)
class Actions:
    """The section; ``left_out`` findings have no space on the page."""

    shown: tuple[Action, ...]
    left_out: int


def actions(run: Run, facts: RunFacts, *, folder: str) -> Actions | None:
    """What to do about the confirmed findings, then the likely ones; None where there is neither.

    Args:
        run: with its tables.
        facts: of the run.
        folder: of the lists, relative to the report's.

    Raises:
        OutputError: a table is broken.
    """
    found = decisions(read_findings(run), tuple(facts.classes.values()))
    sure = [finding for finding in found if finding.verdict == CONFIRMED]
    likely = [f for f in found if f.verdict == UNDETERMINED and likely_effect(f)]
    todo = [*worst_first(sure), *worst_first(likely)]
    if not todo:
        return None
    shown, groups = todo[:MOST_ACTIONS], _groups(run)
    carrying = _carriers(run, shown)
    made = [_action(run, facts, each, carrying, groups, folder=folder) for each in shown]
    return Actions(tuple(made), len(todo) - len(shown))


def _action(
    run: Run,
    facts: RunFacts,
    finding: Finding,
    carrying: dict[tuple[str, str], list[dict[str, Any]]],
    groups: dict[str, list[str]],
    *,
    folder: str,
) -> Action:
    carriers = carrying.get((finding.class_name, finding.cue), [])
    rows = carriers or _measured(run, finding)
    name = f"{folder}/{class_folder(finding.class_name)}-{safe_name(finding.cue)[:40]}.csv"
    return Action(
        finding=finding,
        file=name if rows else None,
        content=_csv(rows),
        count=len(rows),
        carriers=bool(carriers),
        remedies=remedies(finding, facts, groups.get(finding.class_name, [])),
        expected=expected(finding),
        command=command(run, [finding.cue]),
    )


def _carriers(run: Run, findings: Sequence[Finding]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(class, cue) -> rows of CARRIERS, the largest effect first."""
    if not run.has("carriers"):
        return {}
    wanted = {(finding.class_name, finding.cue) for finding in findings}
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    where = ds.field("class_name").isin(sorted({name for name, _ in wanted}))
    for row in rows_of(run.collect("carriers", where=where)):
        if (cell := (row["class_name"], row["cue"])) in wanted:
            found.setdefault(cell, []).append(row)
    for rows in found.values():
        rows.sort(key=_largest_first)
    return found


def _measured(run: Run, finding: Finding) -> list[dict[str, Any]]:
    """Rows of CARRIERS of the class's photos that were measured; the effect is their own loss."""
    if not run.has("transplants"):
        return []
    where = ds.field("given").is_null() & (ds.field("question") == RELIANCE)
    where &= ds.field("class_name") == finding.class_name
    where &= ds.field("cue") == finding.cue
    columns = ["image_id", "p_with", "p_without"]
    frame = run.collect("transplants", columns, where).dropna()
    lost = (frame["p_with"] - frame["p_without"]).groupby(frame["image_id"]).mean()
    rows = [
        {"class_name": finding.class_name, "cue": finding.cue, "image_id": image_id, "effect": loss}
        for image_id, loss in lost.items()
    ]
    return sorted(rows, key=_largest_first)


def _largest_first(row: Mapping[str, Any]) -> tuple[float, str]:
    return -(row["effect"] or 0.0), row["image_id"]


def _groups(run: Run) -> dict[str, list[str]]:
    """Class -> the groups of the dataset's own column in which it has photos."""
    found: dict[str, list[str]] = {}
    for row in rows_of(run.groups) if run.has("groups") else []:
        if row["class_name"] and row["group"]:
            found.setdefault(row["class_name"], []).append(row["group"])
    return found


def _csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows with the columns of CARRIERS; what is unknown is left empty.

    Texts are quoted, all of them: before Python 3.13 the writer leaves a text with a carriage
    return bare, which then starts a row of its own.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CARRIERS.names, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:  # noqa: ANN401 - of a table
    """``value``; a text that a spreadsheet would run has an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
