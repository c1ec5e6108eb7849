"""The answer of a run in a screen: of a notebook, or of a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from xai_audit.report.answers import decisions, read_findings, worst_first
from xai_audit.report.facts import read_facts
from xai_audit.report.lead import lead
from xai_audit.report.page import environment
from xai_audit.report.words import two
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import CONFIRMED, GRAVITY

if TYPE_CHECKING:
    from xai_audit.notebook.run import Run

_SHOWN = 6


def answer_text(run: Run) -> str:
    """Where it is, what it says and what it found most gravely, a line each."""
    told = _answer(run)
    lines = [f"Run({str(run.root)!r})", told["lead"], *told["facts"]]
    lines += [f"  {f.verdict}: {f.because}" for f in told["findings"]]
    return "\n".join(lines)


def answer_html(run: Run) -> str:
    """The same as HTML, with the numbers in a table."""
    return environment().get_template("answer.html.j2").render(_answer(run), run=run, two=two)


def _answer(run: Run) -> dict[str, Any]:
    facts, findings = read_facts(run), read_findings(run)
    told = decisions(findings, tuple(facts.classes.values()))
    summary = rows_of(run.summary) if run.has("summary") else []
    counts = Counter(finding.verdict for finding in told)
    known = [f"{counts[verdict]:,} {verdict}" for verdict in GRAVITY if counts[verdict]]
    return {
        "lead": lead(told, summary) if told else "The evidence has not been measured yet.",
        "facts": [*_accuracy(run), *([f"class × cue: {', '.join(known)}"] if known else [])],
        "findings": worst_first([f for f in told if f.verdict == CONFIRMED])[:_SHOWN],
        "warnings": [*facts.below_chance, *facts.warnings],
    }


def _accuracy(run: Run) -> list[str]:
    """How many photos are predicted right, where labels are known."""
    if not run.has("scores"):
        return []
    rows = run.collect("scores", ["image_id", "label", "pred"])
    rows = rows[rows["label"].ge(0) & rows["pred"].notna()].drop_duplicates("image_id")
    if rows.empty:
        return []
    right = int((rows["label"] == rows["pred"]).sum())
    return [f"accuracy {right / len(rows):.1%} of {len(rows):,} photos"]
