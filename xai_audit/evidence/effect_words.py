"""Words for effects: what a transplant does to the probability of the class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xai_audit.language import tell
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
    name, cue = row["class_name"], cue_words(row["cue"])
    images = int(row["n_images"])
    if row["way"] == "added":
        change = changed(row, "reliance", ("raises", "lowers"), images)
        return tell("Putting the {cue} on photos of other classes {CHANGE}", cue=cue, CHANGE=change)
    around = row.get("object_included") is False
    if row["measured_on"] == "others":
        change = changed(row, "reliance", ("raises", "lowers"), images)
        if around:
            return tell(
                "What these photos have lost cannot be restored, so other classes' photos were "
                "degraded instead: giving them only the {cue} of {name} around the object {CHANGE}",
                cue=cue, name=name, CHANGE=change,
            )  # fmt: skip
        return tell(
            "What these photos have lost cannot be restored, so other classes' photos were "
            "degraded instead: giving them only the {cue} of {name} {CHANGE}",
            cue=cue, name=name, CHANGE=change,
        )  # fmt: skip
    change = changed(row, "reliance", ("lowers", "raises"), images)
    if around:
        return tell(
            "Replacing only the {cue} around the object by that of other classes {CHANGE}",
            cue=cue, CHANGE=change,
        )  # fmt: skip
    return tell(
        "Replacing only the {cue} by that of other classes {CHANGE}", cue=cue, CHANGE=change
    )


def arms(row: Mapping[str, Any]) -> str:
    """What the scrambled twin of a stamp does, and the stamp on the class's own photos."""
    told = []
    twin, value, own = row["scrambled"], row["reliance"], row["own"]
    if value >= TOLD and not math.isnan(twin):
        share, twin = twin / value, two(twin)
        told.append(
            tell("Scrambled it changes it by {twin:.2f}: any such patch there does.", twin=twin)
            if share > _ANY else
            tell("Scrambled it changes it by {twin:.2f}: its shape counts.", twin=twin)
            if share < _SHAPE else
            tell("Scrambled it changes it by {twin:.2f}: its shape is a part of it.", twin=twin)
        )  # fmt: skip
    if abs(own) >= TOLD and row["own_low"] * row["own_high"] > 0:
        change = moved(own, ("raises", "lowers"), row["class_name"])
        name = row["class_name"]
        told.append(tell("On photos of {name} itself it {MOVED}.", name=name, MOVED=change))
    return "".join(f" {each}" for each in told)


def pull(row: Mapping[str, Any]) -> str:
    """The effect of the cue on photos of other classes."""
    name, cue = row["class_name"], cue_words(row["cue"])
    change = changed(row, "pull", ("raises", "lowers"))
    if row.get("object_included") is False:
        return tell(
            "Giving photos of other classes only the {cue} of {name} around the object {CHANGE}",
            cue=cue, name=name, CHANGE=change,
        )  # fmt: skip
    return tell(
        "Giving photos of other classes only the {cue} of {name} {CHANGE}",
        cue=cue, name=name, CHANGE=change,
    )  # fmt: skip


def changed(
    row: Mapping[str, Any], question: str, ways: tuple[str, str], images: int | None = None
) -> str:
    """What a change of probability is in words, with its interval; ``ways``: see :func:`moved`."""
    text = moved(row[question], ways, row["class_name"])
    low, high = row[f"{question}_low"], row[f"{question}_high"]
    if row[question] <= -_FAINT:  # the sign of the words
        low, high = -high, -low
    ends = {"MOVED": text, "low": two(low), "high": two(high)}
    if math.isnan(low) or math.isnan(high):
        return text if images is None else tell("{MOVED} ({n:d} images)", MOVED=text, n=images)
    if images is None:
        return tell("{MOVED} (95 % interval {low:.2f} to {high:.2f})", **ends)
    return tell("{MOVED} (95 % interval {low:.2f} to {high:.2f}, {n:d} images)", n=images, **ends)


def moved(value: float, ways: tuple[str, str], name: str) -> str:
    """What a change of probability is in words.

    Args:
        value: the change.
        ways: what it does where it is above 0, and below: "raises" or "lowers".
        name: of the class.
    """
    if abs(value) < _FAINT:
        return tell("hardly changes the probability of {name}", name=name)
    size = abs(value)
    if ways[value < 0] == "raises":
        return tell("raises the probability of {name} by {size:.2f}", name=name, size=size)
    return tell("lowers the probability of {name} by {size:.2f}", name=name, size=size)


def two(value: float) -> float:
    """``value`` as two decimals give it, and no minus zero."""
    return value if math.isnan(value) else round(value, 2) + 0.0
