"""The findings of the evidence tables, one per class and cue, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds

from xai_audit.run.cue_words import cue_words
from xai_audit.run.scan import rows_of
from xai_audit.run.verdicts import gravest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from xai_audit.run.reader import Run


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
