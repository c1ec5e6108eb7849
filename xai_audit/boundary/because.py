"""What separates two confused classes, in one sentence with the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.evidence.because import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.boundary.cues import Cues

# Cues named a class.
_NAMED = 2


def because(row: Mapping[str, Any], mine: Cues | None, others: Cues | None) -> str:
    """One sentence: how many photos are confused, where their heatmaps differ, which cues matter.

    Args:
        row: the measured columns of BOUNDARIES.
        mine: confirmed and suspected cues of the class; None without evidence.
        others: of the other class.
    """
    name, other, count = row["class_name"], row["other_class"], row["n_images"]
    if not count:
        return f"No photo of {name} has {other} as its strongest rival."
    whose = f"{count} photo{'s' if count != 1 else ''} of {name} that {_have(count)} {other}"
    told = [
        f"Of {whose} as strongest rival {row['n_confused']} {_are(row['n_confused'])} taken for it"
    ]
    told.append(_differ(row))
    if mine is not None and others is not None:
        told.append(f"the evidence holds {_against(name, mine)}, and {_against(other, others)}")
    return f"{'; '.join(told)}."


def _differ(row: Mapping[str, Any]) -> str:
    name, region, excess = row["class_name"], row.get("region"), row.get("region_excess")
    if region is None or excess is None:
        return f"their heatmaps cannot be compared with those of other photos of {name}"
    points = abs(100 * excess)
    more = "more" if excess > 0 else "less"
    theirs = f"{points:.0f} points {more} of the relevance on the {words(region)}"
    low, high = row.get("region_low"), row.get("region_high")
    if low is None or high is None:
        return f"they put {theirs} than its other photos, too few to tell chance from a difference"
    if low <= 0 <= high:
        return (
            f"no region sets their heatmaps apart from those of its {row['n_others']} other photos"
        )
    least, most = sorted((abs(100 * low), abs(100 * high)))
    return f"they put {theirs} than its {row['n_others']} other photos ({least:.0f} to {most:.0f})"


def _against(name: str, cues: Cues) -> str:
    if not cues:
        return f"nothing against {name}"
    told = [f"the {words(cue)} ({verdict})" for cue, verdict in cues[:_NAMED]]
    if len(cues) > _NAMED:
        told.append(f"{len(cues) - _NAMED} more")
    *first, last = told
    return f"{', '.join(first)} and {last} against {name}" if first else f"{last} against {name}"


def _have(count: int) -> str:
    return "have" if count != 1 else "has"


def _are(count: int) -> str:
    return "are" if count != 1 else "is"
