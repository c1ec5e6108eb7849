"""The findings of the evidence tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.language import say
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import (
    AVAILABLE,
    CLEAR,
    CONFIRMED,
    SUSPECTED,
    UNDETERMINED,
    cue_words,
    gravest,
    is_used,
)
from xai_audit.schema import DISCOVERED, WHOLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from xai_audit.run.reader import Run

_NAMED = 5  # classes of what is undetermined
_LARGE = 0.2  # an effect, as a change of probability


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
        return say(" or ").join(self.names)

    @property
    def may_be_object(self) -> bool:
        """Whether the effect may be the object's own: it shows on whole photos alone."""
        return self.question == WHOLE or self.row["object_included"] is True

    @property
    def masks_made(self) -> bool:
        """Whether it rests on masks that a network made."""
        return self.row.get("masks_made") is True

    @property
    def words(self) -> str:
        """The cue in plain words."""
        return cue_words(self.cue)

    @property
    def title(self) -> str:
        """Class and cue in words."""
        return say("{name}: {cue}", name=self.subject, cue=self.words)

    @property
    def anchor(self) -> str:
        """The id of its card on the page, made of letters that every link takes."""
        return "cell-" + f"{self.class_name}\0{self.cue}".encode().hex()


@dataclass(frozen=True)
class Undecided:
    """Undetermined findings of one cue.

    Attributes:
        cue: in words.
        measured: whether some photos could be tested.
        count: how many classes.
        names: of the first few.
        because: of the first.
    """

    cue: str
    measured: bool
    count: int
    names: tuple[str, ...]
    because: str


def read_findings(run: Run) -> list[Finding]:
    """The findings of a run; none where the evidence stage has not run or has to run again.

    Raises:
        OutputError: the table is broken.
    """
    if not run.has("evidence"):
        return []
    limits = run.record.get("limits") or {}
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
            used=_is_used(row, limits.get("q")),
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
    """The findings with the largest effect first, those without one last.

    What may be the object's own comes after what is not, whatever its effect.
    """

    def order(finding: Finding) -> tuple[Any, ...]:
        size = float("-inf") if finding.effect is None else finding.effect
        return finding.may_be_object, -size, finding.class_name, finding.cue

    return sorted(findings, key=order)


def undecided(findings: Iterable[Finding]) -> list[Undecided]:
    """Undetermined findings by cue, and by whether any photo of theirs could be tested.

    The cue with a likely effect comes first, then that of most classes.
    """
    grouped: dict[tuple[str, bool], list[Finding]] = defaultdict(list)
    found_open = [finding for finding in findings if finding.verdict == UNDETERMINED]
    for finding in sorted(found_open, key=likely_effect, reverse=True):
        grouped[finding.words, bool(finding.row["n_images"])].append(finding)
    found = [
        Undecided(
            cue, measured, len(same), tuple(f.class_name for f in same[:_NAMED]), same[0].because
        )
        for (cue, measured), same in grouped.items()
    ]
    likely = {key: likely_effect(same[0]) for key, same in grouped.items()}
    return sorted(found, key=lambda o: (-likely[o.cue, o.measured], -o.count, o.cue, o.measured))


def likely_effect(finding: Finding) -> float:
    """The effect of a finding where it is large and its interval above 0, else 0."""
    effect, low = finding.effect or 0.0, finding.low or 0.0
    return effect if low > 0 and effect >= _LARGE else 0.0


def _sentence(text: str) -> str:
    """``text`` with its full stop."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."
