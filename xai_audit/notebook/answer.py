"""The answer of a run in a screen: of a notebook, or of a terminal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.report.answers import decisions, read_findings, worst_first
from xai_audit.report.facts import read_facts
from xai_audit.report.lead import lead
from xai_audit.report.page import environment
from xai_audit.report.words import two
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import CONFIRMED, GRAVITY, kinds_of_run, of_kinds

if TYPE_CHECKING:
    from xai_audit.notebook.run import AuditRun

_SHOWN = 6


def answer_text(run: AuditRun) -> str:
    """Where it is, what it says and what it found most gravely, a line each."""
    found = _answer(run)
    lines = [f"AuditRun({str(run.root)!r})", *(f"WARNING: {text}" for text in found["warnings"])]
    lines += [found["lead"], *found["facts"]]
    lines += [f"  {finding.verdict}: {finding.because}" for finding in found["findings"]]
    return "\n".join(lines)


def answer_html(run: AuditRun) -> str:
    """The same as HTML, with the numbers in a table."""
    template = environment().get_template("answer.html.j2")
    here = run.root.is_relative_to(Path.cwd())
    place = run.root.relative_to(Path.cwd()) if here else run.root
    return template.render(_answer(run), run=run, place=place, two=two)


def _answer(run: AuditRun) -> dict[str, Any]:
    facts, findings = read_facts(run), read_findings(run)
    distinct = decisions(findings, tuple(facts.classes.values()))
    summary = rows_of(run.summary) if run.has("summary") else []
    counts = Counter(finding.verdict for finding in distinct)
    known = [f"{counts[verdict]:,} {verdict}" for verdict in GRAVITY if counts[verdict]]
    return {
        "lead": lead(distinct, summary) if distinct else "The evidence has not been measured yet.",
        "facts": [*_accuracy(run), *([f"class × cue: {', '.join(known)}"] if known else [])],
        "findings": worst_first([f for f in distinct if f.verdict == CONFIRMED])[:_SHOWN],
        "warnings": [*facts.below_chance, *facts.warnings],
    }


def _accuracy(run: AuditRun) -> list[str]:
    """How many photos are predicted right, where labels are known."""
    if not run.has("scores"):
        return []
    kinds = kinds_of_run(run)
    one = of_kinds(dict([*kinds.items()][:1]))  # predictions are the same whatever the method
    rows = run.collect("scores", ["image_id", "label", "pred"], one)
    rows = rows[rows["label"].ge(0) & rows["pred"].notna()].drop_duplicates("image_id")
    if rows.empty:
        return []
    right = int((rows["label"] == rows["pred"]).sum())
    return [f"accuracy {right / len(rows):.1%} of {len(rows):,} photos"]
