"""Words for the carriers of a cue: how many they are, what their cue does, and to whom."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xai_audit.evidence.carriers import LEAST_CARRIERS
from xai_audit.run.verdicts import cue_words

if TYPE_CHECKING:
    from collections.abc import Mapping

_VICTIMS = 3
_CHANGED = 0.05  # a smaller share of a class's photos is not worth a name


def carried(row: Mapping[str, Any]) -> str:
    """What the cue of the carriers does to photos of other classes."""
    name, cue = row["class_name"], cue_words(row["cue"])
    low, high = row["carrier_pull_low"], row["carrier_pull_high"]
    verb = "carries" if row["n_carriers"] == 1 else "carry"
    known = "" if math.isnan(low) else f" (95 % interval {low:.2f} to {high:.2f})"
    return (
        f"{_count(row)} {verb} a {cue} that alone raises the probability of {name} in photos of "
        f"other classes by {row['carrier_pull']:.2f}{known}"
    )


def shared(row: Mapping[str, Any]) -> str:
    """How many photos carry a cue that was confirmed otherwise; empty where nobody knows."""
    return f" {_count(row)} carry it." if row["n_carriers"] >= LEAST_CARRIERS else ""


def victims(row: Mapping[str, Any]) -> str:
    """The classes whose photos become the class with its cue, most changed first; or empty."""
    found = [(other, share) for other, share in row.get("victims") or () if share >= _CHANGED]
    if not found:
        return ""
    named = [f"{share:.0%} of {other}" for other, share in found[:_VICTIMS]]
    more = f" and {len(found) - _VICTIMS} more classes" * (len(found) > _VICTIMS)
    become = f" Photos of other classes that then become {row['class_name']}"
    return f"{become}: {', '.join(named)}{more}."


def too_few(row: Mapping[str, Any]) -> str:
    """Why carriers that are fewer than three decide nothing, and how many photos would do."""
    needed = math.ceil(LEAST_CARRIERS / row["carrier_share"])
    return (
        f"{carried(row)}; fewer than {LEAST_CARRIERS} may be chance: about "
        f"{10 * math.ceil(needed / 10)} photos of {row['class_name']} would decide."
    )


def is_too_few(row: Mapping[str, Any], least: float) -> bool:
    """Whether one or two photos carry a region with an effect above ``least``: too few."""
    few = 0 < row["n_carriers"] < LEAST_CARRIERS and row["carrier_pull"] >= least
    return bool(few and not math.isnan(row["area"]))


def _count(row: Mapping[str, Any]) -> str:
    """``12 of 50 photos of horse (24 %, 95 % interval 14 % to 37 %)``."""
    share, low, high = (row[f"carrier_share{end}"] for end in ("", "_low", "_high"))
    return (
        f"{int(row['n_carriers'])} of {int(row['n_screened'])} photos of {row['class_name']} "
        f"({share:.0%}, 95 % interval {low:.0%} to {high:.0%})"
    )
