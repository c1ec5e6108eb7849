"""What became of the rules of a gate.

Each rule is in one of four groups. Where a quantity has an interval, the interval decides: a rule
is violated or passed only where the whole interval is on one side of its limit, so that neither a
chance finding blocks a release nor too few photos let one through. Else nobody can tell.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.language import mark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from xai_audit.report.accepted import Acceptance

VIOLATED, PASSED = mark("violated"), mark("passed")
CANNOT_TELL, NOT_APPLICABLE = mark("cannot tell"), mark("not applicable")
GROUPS = (VIOLATED, PASSED, CANNOT_TELL, NOT_APPLICABLE)
IN_FORCE, EXPIRED, NOT_IN_RUN = "in force", "expired", "not in this run"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Outcome:
    """What became of one rule.

    Attributes:
        rule: the key that sets it.
        group: one of ``GROUPS``.
        expected: what would pass.
        found: what was found, with its interval.
        reads: which end of the interval decides.
        value: that was compared, None where there is none.
        low: of its 95 % interval, or None.
        high: of its 95 % interval, or None.
        remedy: what can be done, or None.
        cells: ``class/cue`` of those that decide, the worst first.
        anchor: of the place on the report's page.
        measured: whether its quantity was measured.
    """

    rule: str
    group: str
    expected: str
    found: str
    reads: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    remedy: str | None = None
    cells: tuple[str, ...] = ()
    anchor: str = "matrix"
    measured: bool = True


def unmeasured(rule: str, expected: str, found: str = "", remedy: str | None = None) -> Outcome:
    """The outcome of a rule whose quantity was not measured.

    It is violated; where ``gate.fail_if_not_run`` is false, not applicable.

    Args:
        rule: the key.
        expected: what would pass.
        found: what was not measured.
        remedy: what can be done.
    """
    text = f"{NOT_MEASURED}: {found}" if found else NOT_MEASURED
    return Outcome(rule, VIOLATED, expected, text, "none", remedy=remedy, measured=False)


@dataclass(frozen=True)
class Result:
    """What became of a gate.

    Attributes:
        outcomes: one a rule.
        accepted: each acceptance, its state and what else is said of it.
        level: ``error`` or ``warn``.
        max_cannot_tell: rules that may be in that group; None: any number.
        max_not_applicable: likewise.
        today: by which acceptances expire.
    """

    outcomes: tuple[Outcome, ...]
    accepted: tuple[tuple[Acceptance, str], ...]
    level: str
    max_cannot_tell: int | None
    max_not_applicable: int | None
    today: date

    @property
    def counts(self) -> dict[str, int]:
        """Group -> rules in it."""
        found = Counter(each.group for each in self.outcomes)
        return {group: found[group] for group in GROUPS}

    @property
    def blocking(self) -> tuple[str, ...]:
        """The groups whose rules make the gate fail, or would with level ``error``."""
        most = {
            VIOLATED: 0,
            CANNOT_TELL: self.max_cannot_tell,
            NOT_APPLICABLE: self.max_not_applicable,
        }
        counts = self.counts
        return tuple(
            group for group, limit in most.items() if limit is not None and counts[group] > limit
        )

    def blocks(self, outcome: Outcome) -> bool:
        """Whether the gate fails because of this rule, or would with level ``error``."""
        return outcome.group in self.blocking

    @property
    def failed(self) -> bool:
        """Whether the exit code is 3."""
        return bool(self.blocking) and self.level == "error"

    @property
    def why(self) -> tuple[str, ...]:
        """Why it fails, or would with level ``error``: a sentence a group; none where not."""
        counts = self.counts
        keys = {CANNOT_TELL: "max_cannot_tell", NOT_APPLICABLE: "max_not_applicable"}
        return tuple(
            f"{counts[group]} {group}: {', '.join(self.rules_in(group))}"
            + (f" (gate.{keys[group]}={getattr(self, keys[group])})" if group in keys else "")
            for group in self.blocking
        )

    def rules_in(self, group: str) -> Sequence[str]:
        """The rules in ``group``."""
        return [each.rule for each in self.outcomes if each.group == group]


def at_most(limit: float, low: float | None, high: float | None) -> str:
    """The group of a quantity that may be ``limit`` at most, by its interval.

    Violated by the lower end, passed by the upper one.
    """
    if low is not None and low > limit:
        return VIOLATED
    return PASSED if high is not None and high <= limit else CANNOT_TELL


def at_least(limit: float, low: float | None, high: float | None) -> str:
    """The group of a quantity that has to be ``limit`` at least, by its interval.

    Violated by the upper end, passed by the lower one.
    """
    if high is not None and high < limit:
        return VIOLATED
    return PASSED if low is not None and low >= limit else CANNOT_TELL


# Which end decides, by group: of what may be at most, and of what has to be at least.
READS_MOST = {
    VIOLATED: "the lower end, which is above",
    PASSED: "the upper end, which is not above",
    CANNOT_TELL: "both ends: neither excludes the limit",
}
READS_LEAST = {
    VIOLATED: "the upper end, which is below",
    PASSED: "the lower end, which is not below",
    CANNOT_TELL: "both ends: neither excludes the limit",
}
