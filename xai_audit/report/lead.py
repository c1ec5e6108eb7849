"""The answer in a sentence or two, for who reads no further."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from xai_audit.report.answers import likely_effect, mostly_open, worst_first
from xai_audit.report.words import two
from xai_audit.run.verdicts import ALL_CUES, CONFIRMED, UNDETERMINED, marked
from xai_audit.schema import CARRIER_PULL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.report.answers import Finding

# Classes named.
_SHOWN = 5


def lead(findings: Sequence[Finding], summary: Sequence[dict[str, Any]] = ()) -> str:
    """The classes with a confirmed cue, and how much accuracy depends on cues, in sentences.

    Where most pairs of class and cue are undetermined, it begins with that.

    Args:
        findings: at least one; those of one decision once.
        summary: rows of SUMMARY; that of every cue at once is given.
    """
    confirmed = worst_first([f for f in findings if f.verdict == CONFIRMED])
    classes = len({name for f in findings for name in f.names})
    cues = len({f.cue for f in findings})
    examined = "the one cue examined" if cues == 1 else f"any of the {cues:,} cues examined"
    text, nobody = "", "No class"
    if mostly_open(findings):
        count = sum(f.verdict == UNDETERMINED for f in findings)
        total = sum(len(f.names) for f in findings)
        text = f"For {count:,} of {total:,} pairs of class and cue there were too few photos to "
        text, nobody = f"{text}decide. ", "Among the rest no class"
    if confirmed:
        text += _found(confirmed, classes)
    elif all(f.verdict == UNDETERMINED for f in findings):
        text = f"Whether {_count(classes, 'class')} {_be(classes, 'rely', 'relies')} on "
        text += f"{examined} could not be determined."
    else:
        text += f"{nobody} was found to rely on {examined}."
    text += _likely(findings)
    together = next((row for row in summary if row["cue"] == ALL_CUES), None)
    if together and None not in (together["accuracy_with"], together["accuracy_without"]):
        sentence = (
            f"When every cue at once comes from another class, accuracy goes from "
            f"{together['accuracy_with']:.0%} to {together['accuracy_without']:.0%}."
        )
        text += f" {marked(sentence, _made(findings))}"
    return text


def _made(findings: Sequence[Finding]) -> bool:
    """Whether some rest on masks that a network made."""
    return any(finding.masks_made for finding in findings)


def _likely(findings: Sequence[Finding]) -> str:
    """The undetermined pairs with a large effect, in a sentence; empty where there is none."""
    found = [f for f in findings if f.verdict == UNDETERMINED and likely_effect(f)]
    if not found:
        return ""
    found.sort(key=likely_effect, reverse=True)
    named = [f"{f.subject} by its {f.words} ({two(f.effect)})" for f in found[:_SHOWN]]
    more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    sentence = f"Large effects that so few photos do not decide: {_listed([*named, *more])}."
    return f" {marked(sentence, _made(found))}"


def _found(confirmed: Sequence[Finding], classes: int) -> str:
    """The classes with a confirmed cue, in sentences; what may be the object's own comes last."""
    surely = [f for f in confirmed if not f.may_be_object]
    perhaps = [f for f in confirmed if f.may_be_object]
    sentences = [marked(_decided(surely, classes), _made(surely))] if surely else []
    sentences += [marked(_perhaps(perhaps, classes), _made(perhaps))] if perhaps else []
    return " ".join(f"{sentence}." for sentence in sentences)


def _decided(confirmed: Sequence[Finding], classes: int) -> str:
    """The classes with a confirmed cue and their cues, in words; worst first."""
    shared, cues = [f for f in confirmed if f.both], _by_class(confirmed)
    if shared:
        by = _listed([f"the {finding.words}" for finding in shared])
        also = [f"{name} also by {_listed(mine)}" for name, mine in cues.items()]
        return "; ".join(
            [f"{shared[0].subject} is decided by {by}, not by the object alone", *also]
        )
    verb = _be(len(cues), "are", "is")
    text = f"{len(cues)} of {_count(classes, 'class')} {verb} decided by something other than the "
    return f"{text}object: {_named(cues)}"


def _perhaps(confirmed: Sequence[Finding], classes: int) -> str:
    """The classes with a confirmed property that may be the object's own, in words."""
    shared = [f"{f.subject} by the {f.words}" for f in confirmed if f.both]
    cues = _by_class(confirmed)
    named = _listed([*shared, *([_named(cues)] if cues else [])])
    count = len({name for f in confirmed for name in f.names})
    text = f"{count} of {_count(classes, 'class')} {_be(count, 'are', 'is')} decided by what may "
    return f"{text}be the object's own, changed on whole photos, the object included: {named}"


def _by_class(confirmed: Sequence[Finding]) -> dict[str, list[str]]:
    """Class -> its cues in words, without those of two classes at once."""
    cues: dict[str, list[str]] = defaultdict(list)
    for finding in confirmed:
        if not finding.both:
            cues[finding.class_name].append(f"its {finding.words}{_on(finding)}")
    return cues


def _on(finding: Finding) -> str:
    """The share of its photos that carry it, where the others' cue does nothing."""
    share = finding.row["carrier_share"] if finding.question == CARRIER_PULL else None
    return "" if share is None else f" on {share:.0%} of its photos"


def _named(cues: Mapping[str, Sequence[str]]) -> str:
    """The first few classes, each with its cues in words, and how many more there are."""
    named = [f"{name} by {_listed(mine)}" for name, mine in list(cues.items())[:_SHOWN]]
    return _listed([*named, *([f"{len(cues) - _SHOWN} more"] if len(cues) > _SHOWN else [])])


def _listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _count(number: int, word: str) -> str:
    """``1 class``, ``2 classes``."""
    plural = "" if number == 1 else "es" if word.endswith("s") else "s"
    return f"{number} {word}{plural}"


def _be(number: int, plural: str, singular: str) -> str:
    return singular if number == 1 else plural
