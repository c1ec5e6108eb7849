"""The answer of a run as a notebook shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.report.in_short import in_short
from xai_audit.report.templating import environment
from xai_audit.report.words import two

if TYPE_CHECKING:
    from xai_audit.notebook.run import AuditRun


def answer_text(run: AuditRun) -> str:
    """Where it is, what it says and what it found most gravely, a line each."""
    found = in_short(run)
    warnings = (*found.below_chance, *found.warnings)
    lines = [f"AuditRun({str(run.root)!r})", *(f"WARNING: {text}" for text in warnings)]
    lines += [found.lead, *found.facts]
    lines += [f"  {finding.verdict}: {finding.because}" for finding in found.findings]
    lines += [f"  and {found.more} more"] if found.more else []
    return "\n".join([*lines, *found.open])


def answer_html(run: AuditRun) -> str:
    """The same as HTML, with the numbers in a table."""
    template = environment().get_template("answer.html.j2")
    here = run.root.is_relative_to(Path.cwd())
    place = run.root.relative_to(Path.cwd()) if here else run.root
    return template.render(found=in_short(run), run=run, place=place, two=two)
