"""The rules about accuracy: on the photos as they are, and by the object alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xai_audit.gate.outcome import (
    CANNOT_TELL,
    NOT_APPLICABLE,
    PASSED,
    READS_LEAST,
    Outcome,
    at_least,
    unmeasured,
)
from xai_audit.report.accuracy import accuracy, core_accuracy, predictions
from xai_audit.run.verdicts import are_made, marked

if TYPE_CHECKING:
    from xai_audit.report.accuracy import Share
    from xai_audit.run.reader import Run


def least_accuracy(run: Run, least: float) -> Outcome:
    """At least this accuracy on the photos as they are."""
    rule, expected = "gate.min_accuracy", f"at least {least:g}"
    rows = predictions(run)
    if rows is not None and rows.empty:
        text = "no photo has a label and a prediction"
        return Outcome(rule, NOT_APPLICABLE, expected, text, "none", anchor="classes")
    remedy = "add attribute and score to stages and run the same command again"
    return _share(rule, least, accuracy(run), anchor="classes", remedy=remedy)


def least_core_accuracy(run: Run, least: float) -> Outcome:
    """At least this accuracy by the object alone."""
    remedy = "object masks (masks=folder masks.root=DIR), the cue background, and more photos"
    rule = "gate.min_core_accuracy"
    found = _share(rule, least, core_accuracy(run), anchor="accuracy", remedy=remedy)
    made = are_made(run.record) and found.value is not None
    return replace(found, found=marked(found.found, made))


def _share(rule: str, least: float, known: Share | None, *, anchor: str, remedy: str) -> Outcome:
    expected = f"at least {least:g}"
    if known is None:
        return unmeasured(rule, expected, remedy=remedy)
    group = at_least(least, known.low, known.high)
    ends = f"95 % interval {known.low:.3f} to {known.high:.3f}"
    text = f"{known.value:.3f} ({ends}, {known.n:,} photos)"
    if known.lowest is not None and known.lowest[1] < known.value:
        text += f"; lowest: {known.lowest[0]}, {known.lowest[1]:.3f}"
    return Outcome(
        rule, group, expected, text, READS_LEAST[group], known.value, known.low, known.high,
        remedy=_advice(group), anchor=anchor,
    )  # fmt: skip


def _advice(group: str) -> str | None:
    if group == PASSED:
        return None
    return "more photos" if group == CANNOT_TELL else "the report shows the classes that are wrong"
