"""Words for effects: what a transplant does to the probability of the class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xai_audit.run.verdicts import cue_words

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAINT = 0.005  # less is 0.00 in two decimals
TOLD = 0.05  # less of an arm of a stamp is not told
# Share of the effect that the scrambled twin of a stamp has.
_SHAPE, _ANY = 1 / 3, 2 / 3


def effect(row: Mapping[str, Any]) -> str:
    """The effect of the transplant on the probability of the class."""
    if math.isnan(row["reliance"]):
        return pull(row)
    name, cue = row["class_name"], the(row["cue"])
    ends = numbers(row, "reliance", f", {int(row['n_images'])} images")
    if row["way"] == "added":
        change = moved(row["reliance"], "raises", "lowers", name)
        return f"Putting {cue} on photos of other classes {change}{ends}"
    if row["measured_on"] == "others":
        change = moved(row["reliance"], "raises", "lowers", name)
        return (
            "What these photos have lost cannot be restored, so other classes' photos were "
            f"degraded instead: giving them only {cue} of {name}{_around(row)} {change}{ends}"
        )
    change = moved(row["reliance"], "lowers", "raises", name)
    return f"Replacing only {cue}{_around(row)} by that of other classes {change}{ends}"


def _around(row: Mapping[str, Any]) -> str:
    """Where a property was changed, if an object can have it too and was left as it is."""
    return " around the object" if row.get("object_included") is False else ""


def arms(row: Mapping[str, Any]) -> str:
    """What the scrambled twin of a stamp does, and the stamp on the class's own photos."""
    told = []
    twin, value, own = row["scrambled"], row["reliance"], row["own"]
    if value >= TOLD and not math.isnan(twin):
        share = twin / value
        tells = (
            "any such patch there does" if share > _ANY else
            "its shape counts" if share < _SHAPE else
            "its shape is a part of it"
        )  # fmt: skip
        told.append(f"Scrambled it changes it by {two(twin)}: {tells}.")
    if abs(own) >= TOLD and row["own_low"] * row["own_high"] > 0:
        change = moved(own, "raises", "lowers", row["class_name"])
        told.append(f"On photos of {row['class_name']} itself it {change}.")
    return "".join(f" {each}" for each in told)


def pull(row: Mapping[str, Any]) -> str:
    """The effect of the cue on photos of other classes."""
    name = row["class_name"]
    change = moved(row["pull"], "raises", "lowers", name)
    given = f"Giving photos of other classes only {the(row['cue'])} of {name}{_around(row)} "
    return f"{given}{change}{numbers(row, 'pull', '')}"


def moved(value: float, up: str, down: str, name: str) -> str:
    """What a change of probability is in words: ``up`` or ``down`` and by how much."""
    if abs(value) < _FAINT:
        return f"hardly changes the probability of {name}"
    return f"{up if value > 0 else down} the probability of {name} by {abs(value):.2f}"


def numbers(row: Mapping[str, Any], question: str, tail: str) -> str:
    """The interval in brackets, with the sign of the words before it."""
    low, high = row[f"{question}_low"], row[f"{question}_high"]
    if row[question] <= -_FAINT:
        low, high = -high, -low
    if math.isnan(low) or math.isnan(high):
        return f" ({tail.removeprefix(', ')})" if tail else ""
    return f" (95 % interval {two(low)} to {two(high)}{tail})"


def two(value: float) -> str:
    """Two decimals, and no minus zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def the(cue: str) -> str:
    """The cue with its article."""
    return f"the {cue_words(cue)}"
