"""How right the decisions are where photos have several labels, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.language import say
from xai_audit.run.files import rows_of

if TYPE_CHECKING:
    from xai_audit.run.reader import Run


@dataclass(frozen=True)
class Decided:
    """The decisions of a run, a photo and a class each.

    Attributes:
        right: how many are right.
        total: photos times classes.
        photos: their number.
        lowest: the class with the lowest plain share of right decisions, and that share.
        words: of both, and of the balanced accuracy, which does not grow with how rare a class is.
    """

    right: int
    total: int
    photos: int
    words: str
    lowest: tuple[str, float] | None = None

    @property
    def share(self) -> float:
        """The plain share of right decisions."""
        return self.right / self.total


def decided(run: Run) -> Decided | None:
    """The decisions of ``run``; None where photos have one label."""
    rows = rows_of(run.collect("decisions")) if run.has("decisions") else []
    total = sum(row["n_with"] + row["n_without"] for row in rows)
    if not total:
        return None
    right = total - sum(row["missed"] + row["false_alarms"] for row in rows)
    words = say(
        "{number} of {total} decisions (photo × class) are right",
        number=f"{right:,}",
        total=f"{total:,}",
    )
    known = [
        (r["balanced_accuracy"], r["class_name"])
        for r in rows
        if r["balanced_accuracy"] is not None
    ]
    if known:
        (low, worst), (high, best) = min(known), max(known)
        words += say("; balanced accuracy {share} ({name})", share=f"{low:.1%}", name=worst)
        if worst != best:
            words += say(" to {share} ({name})", share=f"{high:.1%}", name=best)
    worst, share = min(((r["class_name"], r["accuracy"]) for r in rows), key=lambda one: one[1])
    return Decided(right, total, total // len(rows), words, (worst, share))
