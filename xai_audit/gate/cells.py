"""The rules about cells: how many are confirmed, how many undetermined, how large reliance is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.errors import similar
from xai_audit.gate.outcome import (
    CANNOT_TELL,
    NOT_APPLICABLE,
    NOT_MEASURED,
    PASSED,
    READS_MOST,
    VIOLATED,
    Outcome,
    at_most,
    unmeasured,
)
from xai_audit.report.answers import Finding, decisions, worst_first
from xai_audit.report.words import two
from xai_audit.run.verdicts import CONFIRMED, UNDETERMINED, marked
from xai_audit.schema import RELIANCE

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED = 5
_COUNTED = "a count, which has no interval"
_REMEASURE = "add evidence to stages and run the same command again"


@dataclass(frozen=True)
class Cells:
    """The findings of a run that rules are about.

    Attributes:
        all: of the run; None where they were not measured.
        kept: those of them that nobody has accepted.
        classes: of the dataset, in the model's order.
        limits: that the verdicts were decided with, by name.
    """

    all: Sequence[Finding] | None
    kept: Sequence[Finding]
    classes: Sequence[str]
    limits: Mapping[str, float]


def of_nothing(cells: Cells, rule: str, expected: str) -> Outcome | None:
    """The outcome of a rule where there is no cell to look at; None where there is one."""
    if not cells.all:
        what = "" if cells.all is None else "no cell was examined"
        return unmeasured(rule, expected, what, _REMEASURE)
    if not cells.kept:
        return Outcome(rule, NOT_APPLICABLE, expected, "every cell is accepted", _COUNTED)
    return None


def cell_of(finding: Finding) -> str:
    """``class/cue``."""
    return f"{finding.class_name}/{finding.cue}"


def confirmed(cells: Cells, most: int, tolerated: float | None) -> Outcome:
    """At most ``most`` confirmed findings; of two classes one decision counts once.

    A cell that is undetermined might be one. It is cannot tell unless even all of these together
    were allowed, or their share is within ``tolerated``.
    """
    rule, expected = "gate.max_confirmed", f"at most {most}"
    if (nothing := of_nothing(cells, rule, expected)) is not None:
        return nothing
    found = worst_first([f for f in decisions(cells.kept, cells.classes) if f.verdict == CONFIRMED])
    unsure = [f for f in cells.kept if f.verdict == UNDETERMINED]
    share = len(unsure) / max(1, len(cells.kept))
    limit = cells.limits.get(RELIANCE)
    reads = "the lower end: confirmed is what lies wholly above evidence.min_reliance"
    reads += "" if limit is None else f"={limit:g}"
    text = f"{len(found)} confirmed" + (f": {listed(found)}" if found else "")
    if len(found) > most:
        return Outcome(
            rule, VIOLATED, expected, text, reads, len(found), cells=names(found),
            anchor=found[0].anchor, remedy="crop, mask or augment what carries it; or accept the "
            "cell in accepted.yaml",
        )  # fmt: skip
    if not unsure:
        return Outcome(rule, PASSED, expected, text, reads, len(found))
    text += f"; {len(unsure)} of {len(cells.kept)} cells undetermined"
    within = tolerated is not None and share <= tolerated
    if within or len(found) + len(unsure) <= most:
        text += ", within gate.max_undetermined" if within else ""
        return Outcome(rule, PASSED, expected, text, reads, len(found))
    remedy = f"more photos, as their because says; gate.max_undetermined={_up(share)} tolerates "
    return Outcome(
        rule, CANNOT_TELL, expected, text, reads, len(found), cells=names(unsure),
        anchor="undetermined", remedy=f"{remedy}their share",
    )  # fmt: skip


def undetermined(cells: Cells, most: float) -> Outcome:
    """At most this share of undetermined cells."""
    rule, expected = "gate.max_undetermined", f"at most {most:g}"
    if (nothing := of_nothing(cells, rule, expected)) is not None:
        return nothing
    unsure = [f for f in cells.kept if f.verdict == UNDETERMINED]
    share = len(unsure) / max(1, len(cells.kept))
    text = f"{share:.3g}: {len(unsure)} of {len(cells.kept)} cells"
    group = VIOLATED if share > most else PASSED
    return Outcome(
        rule, group, expected, text, _COUNTED, share,
        cells=names(unsure) if group == VIOLATED else (), anchor="undetermined",
        remedy="more photos or masks, as their because says" if group == VIOLATED else None,
    )  # fmt: skip


def reliance(cells: Cells, cue: str, most: float, stop_below: float | None) -> Outcome:
    """At most this reliance of any class on ``cue``.

    It is violated where the lower end of a cell's interval is above the limit, passed where all
    upper ends are not. What pull or carriers show is counted by ``max_confirmed``.
    """
    rule, expected = f"gate.max_reliance.{cue}", f"at most {most:g}"
    if (nothing := of_nothing(cells, rule, expected)) is not None:
        return nothing
    every = [f for f in cells.all or () if f.cue == cue]
    mine = [f for f in cells.kept if f.cue == cue]
    known = [f for f in mine if f.row[RELIANCE] is not None]
    if every and not mine:
        text = f"every cell of {cue} is accepted"
        return Outcome(rule, NOT_APPLICABLE, expected, text, READS_MOST[PASSED])
    if not known:
        if every:
            return unmeasured(rule, expected, "no photo could be tested", "more photos or masks")
        near = similar(cue, sorted({f.cue for f in cells.all or ()}))
        remedy = f"did you mean '{near[0]}'?" if near else f"cues=[{cue},...] examines it"
        return unmeasured(rule, expected, "no such cue was examined", remedy)
    groups = {id(f): at_most(most, f.row["reliance_low"], f.row["reliance_high"]) for f in known}
    above = [f for f in known if groups[id(f)] == VIOLATED]
    unsure = [f for f in known if groups[id(f)] == CANNOT_TELL]
    group = VIOLATED if above else CANNOT_TELL if unsure or len(known) < len(mine) else PASSED
    ends = {VIOLATED: "reliance_low", CANNOT_TELL: "reliance_high", PASSED: "reliance_high"}
    shown = sorted(above or unsure or known, key=lambda f: -(f.row[ends[group]] or 0.0))
    worst = shown[0]
    text = _reliance_text(worst)
    text += f" and {len(shown) - 1} more of {len(mine)} classes" if len(shown) > 1 else ""
    if lacking := len(mine) - len(known):
        text += f"; {lacking} of {len(mine)} classes {NOT_MEASURED}"
    low, high = worst.row["reliance_low"], worst.row["reliance_high"]
    return Outcome(
        rule, group, expected, text, READS_MOST[group], worst.row[RELIANCE], low, high,
        cells=names(shown) if group != PASSED else (),
        anchor=worst.anchor if worst.verdict == CONFIRMED else "matrix",
        remedy=_reliance_remedy(group, most, stop_below),
    )  # fmt: skip


def _reliance_text(finding: Finding) -> str:
    row = finding.row
    ends = row["reliance_low"], row["reliance_high"]
    text = f"{cell_of(finding)} {with_interval(row[RELIANCE], *ends)}"
    text = f"{text}, explained by {row['explained_by']}" if row["explained_by"] else text
    return marked(text, finding.masks_made)


def _reliance_remedy(group: str, most: float, stop_below: float | None) -> str | None:
    if group == PASSED:
        return None
    if group == VIOLATED:
        return "crop, mask or augment what carries it; or accept the cell in accepted.yaml"
    more = "more photos, or a larger evidence.images_per_class"
    if stop_below is not None and most < stop_below:
        return f"evidence.stop_below={most:g}, so that pairs are measured on; then {more}"
    return more


def listed(findings: Sequence[Finding]) -> str:
    """The first few, each with its effect."""
    shown = [
        marked(f"{cell_of(f)} {with_interval(f.effect, f.low, f.high)}", f.masks_made)
        for f in findings[:_NAMED]
    ]
    more = f" and {len(findings) - _NAMED} more" if len(findings) > _NAMED else ""
    return ", ".join(shown) + more


def names(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The cells of the first few."""
    return tuple(map(cell_of, findings[:_NAMED]))


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """``0.93 (95 % interval 0.90 to 0.95)``."""
    return f"{two(value)} (95 % interval {two(low)} to {two(high)})"


def _up(share: float) -> str:
    """``share`` to two decimals, not below it."""
    return f"{-(-share * 100 // 1) / 100:g}"
