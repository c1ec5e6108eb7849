"""The findings of the evidence tables, and the answer in a sentence for who reads no further."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import ALL_CUES, CONFIRMED, UNDETERMINED, cue_words, gravest

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
        )
        for row in rows_of(gravest(run.evidence))
    ]


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
