"""The pairs behind a cell, made again: a photo, and the same photo with either donor's cue.

Loads torch: the pixels come from the cues themselves, as when they were measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.errors import OutputError
from xai_audit.notebook.photo import audit_of
from xai_audit.notebook.shown import Shown, side_by_side
from xai_audit.report.answers import read_findings
from xai_audit.report.pairs import drawn_pairs
from xai_audit.report.words import two
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import cue_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.notebook.run import AuditRun
    from xai_audit.report.answers import Finding

_SHOWN = 3


def shown_cell(run: AuditRun, class_name: str, cue: str) -> Shown:
    """The proof of a cell: see :meth:`~xai_audit.notebook.run.AuditRun.show`."""
    finding = _finding(run, class_name, cue)
    pairs = _pairs(run, finding)
    drawn = drawn_pairs(audit_of(run), pairs)
    if not drawn:
        what = "its photos cannot be read" if pairs else "nothing of this cell was transplanted"
        raise OutputError(what, where=f"{class_name} x {cue}", got=finding.because)
    probabilities = [f"{two(row['p_with'])} → {two(row['p_without'])}" for row, _ in drawn]
    words = cue_words(cue)
    return Shown(
        title=f"{class_name} × {words}: {finding.verdict}",
        image=side_by_side([panels for _, panels in drawn]),
        rows={
            "because": finding.because,
            f"probability of {class_name}": ", ".join(probabilities),
            "photos": ", ".join(row["image_id"] for row, _ in drawn),
        },
        labels=_labels(drawn[0][0], words),
    )


def _labels(row: Mapping[str, Any], words: str) -> tuple[str, str, str]:
    """What the panels of a pair show: on the class's photos another class's cue, and so forth."""
    if row["donor_without"] == row["image_id"]:  # something that is put on
        return "as it is", f"with the {words}", f"without the {words}"
    name = row["class_name"]
    theirs = "another" if row["image_class"] == name else "its own"
    return "as it is", f"with a {name}'s {words}", f"with that of {theirs} class"


def _finding(run: AuditRun, class_name: str, cue: str) -> Finding:
    findings = read_findings(run)
    for finding in findings:
        if (finding.class_name, finding.cue) == (class_name, cue):
            return finding
    classes, cues = ({getattr(f, k) for f in findings} for k in ("class_name", "cue"))
    raise OutputError(
        "this run has no such cell of class and cue",
        where=run.root,
        expected=f"a class of {', '.join(sorted(classes)[:8])} and a cue of "
        f"{', '.join(sorted(cues))}" if findings else "stages with evidence",
        got=f"{class_name}, {cue}",
    )  # fmt: skip


def _pairs(run: AuditRun, finding: Finding) -> list[dict[str, Any]]:
    """The rows of TRANSPLANTS of the cell's question that moved the decision most."""
    where = ds.field("class_name") == finding.class_name
    where &= (ds.field("cue") == finding.cue) & ds.field("given").is_null()
    where &= ds.field("question") == finding.question
    where &= ds.field("p_with").is_valid() & ds.field("p_without").is_valid()
    rows = rows_of(run.collect("transplants", where=where))
    return sorted(rows, key=lambda row: row["p_without"] - row["p_with"])[:_SHOWN]
