"""The findings of the evidence tables, and the answer in a sentence for who reads no further."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import (
    ALL_CUES,
    AVAILABLE,
    CLEAR,
    CONFIRMED,
    SUSPECTED,
    UNDETERMINED,
    cue_words,
    gravest,
    is_used,
)
from xai_audit.schema import DISCOVERED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from xai_audit.run.reader import Run

# Classes named.
_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """The answer for one class and cue.

    Attributes:
        class_name: the class.
        cue: the cue's name in the tables.
        verdict: one of ``schema.VERDICTS``.
        because: the sentence that gives the reason.
        question: ``reliance`` or ``pull``: the one of the effect in ``because``.
        effect: estimate of ``question``, a change of probability; None where not measured.
        low: of its 95 % interval, or None.
        high: of its 95 % interval, or None.
        row: every column of EVIDENCE; None where null.
        used: whether the effect is above 0, but not surely above the limit.
        both: the two classes of which it is the one decision; empty elsewhere.
    """

    class_name: str
    cue: str
    verdict: str
    because: str
    question: str
    effect: float | None
    low: float | None
    high: float | None
    row: Mapping[str, Any]
    used: bool = False
    both: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The classes that it is about."""
        return self.both or (self.class_name,)

    @property
    def subject(self) -> str:
        """These classes in words."""
        return " or ".join(self.names)

    @property
    def words(self) -> str:
        """The cue in plain words."""
        return cue_words(self.cue)

    @property
    def anchor(self) -> str:
        """The id of its card on the page, made of letters that every link takes."""
        return "cell-" + f"{self.class_name}\0{self.cue}".encode().hex()


def read_findings(run: Run) -> list[Finding]:
    """The findings of a run; none where the evidence stage has not run or has to run again.

    Raises:
        OutputError: the table is broken.
    """
    if not run.has("evidence"):
        return []
    return [
        Finding(
            class_name=row["class_name"],
            cue=row["cue"],
            verdict=row["verdict"],
            because=_sentence(row["because"]),
            question=row["shown_question"],
            effect=row["effect"],
            low=row["effect_low"],
            high=row["effect_high"],
            row=row,
            used=_is_used(row, (run.record.get("limits") or {}).get("q")),
        )
        for row in rows_of(gravest(run.evidence))
    ]


def _is_used(row: Mapping[str, Any], most: float | None) -> bool:
    if most is None or row["verdict"] not in (SUSPECTED, AVAILABLE, CLEAR) or row["explained_by"]:
        return False
    return is_used(row["effect_low"], row[f"{row['shown_question']}_q"], most)


def decisions(findings: Sequence[Finding], classes: Sequence[str]) -> list[Finding]:
    """The findings, those of one decision once.

    With two classes, what decides for one decides against the other: of a cue that is confirmed for
    both, the finding with the larger effect is kept and is about both.

    Args:
        findings: of all classes.
        classes: of the dataset, in the model's order.
    """
    if len(classes) != 2:
        return list(findings)
    confirmed: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        # A discovered region of one class is another region than that of the other.
        if finding.verdict == CONFIRMED and not finding.cue.startswith(DISCOVERED):
            confirmed[finding.cue].append(finding)
    kept = {cue: worst_first(same)[0] for cue, same in confirmed.items() if len(same) == 2}
    return [
        replace(finding, both=tuple(classes)) if kept.get(finding.cue) is finding else finding
        for finding in findings
        if finding.cue not in kept or kept[finding.cue] is finding
    ]


def mostly_open(findings: Sequence[Finding]) -> bool:
    """Whether more than half of the pairs of class and cue, but not all, are undetermined."""
    count = sum(f.verdict == UNDETERMINED for f in findings)
    total = sum(len(f.names) for f in findings)
    return total > count > total / 2


def probabilities(
    run: Run, findings: Collection[Finding]
) -> dict[tuple[str, str, str], tuple[float, float]]:
    """(class, cue, question) -> mean probability of the class with its cue and without it."""
    if not findings or not run.has("transplants"):
        return {}
    where = ds.field("given").is_null()
    where &= ds.field("class_name").isin(sorted({f.class_name for f in findings}))
    where &= ds.field("cue").isin(sorted({f.cue for f in findings}))
    by, values = ["class_name", "cue", "question"], ["p_with", "p_without"]
    sums: dict[tuple[str, str, str], list[float]] = {}
    for frame in run.scan("transplants", [*by, *values], where):
        known = frame.dropna(subset=values).astype(dict.fromkeys(values, "float64"))
        for (name, cue, question), rows in known.groupby(by):
            key = str(name), str(cue), str(question)
            had = sums.setdefault(key, [0.0, 0.0, 0.0])
            sums[key] = [a + b for a, b in zip(had, (*rows[values].sum(), len(rows)), strict=True)]
    return {key: (with_ / n, without / n) for key, (with_, without, n) in sums.items()}


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with the largest effect first, those without one last."""
    return sorted(
        findings,
        key=lambda f: (-float("-inf" if f.effect is None else f.effect), f.class_name, f.cue),
    )


def _sentence(text: str) -> str:
    """``text`` with its full stop."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


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
        text += f"{_decided(confirmed, classes)}."
    elif all(f.verdict == UNDETERMINED for f in findings):
        text = f"Whether {_count(classes, 'class')} {_be(classes, 'rely', 'relies')} on "
        text += f"{examined} could not be determined."
    else:
        text += f"{nobody} was found to rely on {examined}."
    together = next((row for row in summary if row["cue"] == ALL_CUES), None)
    if together and None not in (together["accuracy_with"], together["accuracy_without"]):
        text += (
            f" When every cue at once comes from another class, accuracy goes from "
            f"{together['accuracy_with']:.0%} to {together['accuracy_without']:.0%}."
        )
    return text


def _decided(confirmed: Sequence[Finding], classes: int) -> str:
    """The classes with a confirmed cue and their cues, in words; worst first."""
    shared = [f for f in confirmed if f.both]
    cues: dict[str, list[str]] = defaultdict(list)
    for finding in confirmed:
        if not finding.both:
            cues[finding.class_name].append(f"its {finding.words}")
    if shared:
        by = _listed([f"the {finding.words}" for finding in shared])
        also = [f"{name} also by {_listed(mine)}" for name, mine in cues.items()]
        return "; ".join(
            [f"{shared[0].subject} is decided by {by}, not by the object alone", *also]
        )
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
