"""The answer in one or two sentences, for a reader who reads no further."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from xai_audit.report.answers import Finding, worst_first
from xai_audit.run.cue_words import ALL_CUES
from xai_audit.run.verdicts import CONFIRMED, UNDETERMINED

if TYPE_CHECKING:
    from collections.abc import Sequence

# Classes named.
_NAMED = 5


def lead(findings: Sequence[Finding], summary: Sequence[dict[str, Any]] = ()) -> str:
    """The classes with a confirmed cue, and how much accuracy depends on cues, in sentences.

    Args:
        findings: at least one.
        summary: rows of SUMMARY; that of every cue at once is given.
    """
    confirmed = worst_first([f for f in findings if f.verdict == CONFIRMED])
    classes = len({f.class_name for f in findings})
    cues = len({f.cue for f in findings})
    examined = "the one cue examined" if cues == 1 else f"any of the {cues:,} cues examined"
    if confirmed:
        text = f"{_decided(confirmed, classes)}."
    elif all(f.verdict == UNDETERMINED for f in findings):
        text = f"Whether {_count(classes, 'class')} {_be(classes, 'rely', 'relies')} on "
        text += f"{examined} could not be determined."
    else:
        text = f"No class was found to rely on {examined}."
    together = next((row for row in summary if row["cue"] == ALL_CUES), None)
    if together and None not in (together["accuracy_with"], together["accuracy_without"]):
        text += (
            f" When every cue at once comes from another class, accuracy goes from "
            f"{together['accuracy_with']:.0%} to {together['accuracy_without']:.0%}."
        )
    return text


def _decided(confirmed: Sequence[Finding], classes: int) -> str:
    """The classes with a confirmed cue and their cues, in words; worst first."""
    cues: dict[str, list[str]] = defaultdict(list)
    for finding in confirmed:
        cues[finding.class_name].append(f"its {finding.words}")
    named = [f"{name} by {_listed(mine)}" for name, mine in list(cues.items())[:_NAMED]]
    if len(cues) > _NAMED:
        named.append(f"{len(cues) - _NAMED} more")
    verb = _be(len(cues), "are", "is")
    text = f"{len(cues)} of {_count(classes, 'class')} {verb} decided by something other than the "
    return f"{text}object: {_listed(named)}"


def _listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _count(number: int, word: str) -> str:
    """``1 class``, ``2 classes``."""
    plural = "" if number == 1 else "es" if word.endswith("s") else "s"
    return f"{number} {word}{plural}"


def _be(number: int, plural: str, singular: str) -> str:
    return singular if number == 1 else plural
