"""Words for the carriers of a cue: how many they are, what their cue does, and to whom."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xai_audit.evidence.carriers import LEAST_CARRIERS
from xai_audit.language import tell
from xai_audit.run.verdicts import cue_words

if TYPE_CHECKING:
    from collections.abc import Mapping

_VICTIMS = 3
_CHANGED = 0.05  # a smaller share of a class's photos is not worth a name


def carried(row: Mapping[str, Any]) -> str:
    """What the cue of the carriers does to photos of other classes."""
    low, high = row["carrier_pull_low"], row["carrier_pull_high"]
    values: dict[str, Any] = {"CARRY": _carry(row), "cue": cue_words(row["cue"])}
    values |= {"name": row["class_name"], "value": row["carrier_pull"]}
    if math.isnan(low):
        return tell(
            "{CARRY} a {cue} that alone raises the probability of {name} in photos of other "
            "classes by {value:.2f}",
            **values,
        )
    return tell(
        "{CARRY} a {cue} that alone raises the probability of {name} in photos of other classes "
        "by {value:.2f} (95 % interval {low:.2f} to {high:.2f})",
        low=low, high=high, **values,
    )  # fmt: skip


def shared(row: Mapping[str, Any]) -> str:
    """How many photos carry a cue that was confirmed otherwise; empty where nobody knows."""
    if not row["n_carriers"] >= LEAST_CARRIERS:  # NaN is not
        return ""
    return " " + tell("{CARRY} it.", CARRY=_carry(row))


def victims(row: Mapping[str, Any]) -> str:
    """The classes whose photos become the class with its cue, most changed first; or empty."""
    found = [(other, share) for other, share in row.get("victims") or () if share >= _CHANGED]
    if not found:
        return ""
    named, *rest = (
        tell("{share:.0%} of {name}", share=share, name=other) for other, share in found[:_VICTIMS]
    )
    for each in rest:
        named = tell("{SOME}, {OTHER}", SOME=named, OTHER=each)
    if len(found) > _VICTIMS:
        named = tell("{SOME} and {n:d} more classes", SOME=named, n=len(found) - _VICTIMS)
    return " " + tell(
        "Photos of other classes that then become {name}: {SHARES}.",
        name=row["class_name"],
        SHARES=named,
    )


def too_few(row: Mapping[str, Any]) -> str:
    """Why carriers that are fewer than three decide nothing, and how many photos would do."""
    needed = math.ceil(LEAST_CARRIERS / row["carrier_share"])
    return tell(
        "{CARRIED}; fewer than {least:d} may be chance: about {needed:d} photos of {name} would "
        "decide.",
        CARRIED=carried(row),
        least=LEAST_CARRIERS,
        needed=10 * math.ceil(needed / 10),
        name=row["class_name"],
    )


def is_too_few(row: Mapping[str, Any], least: float) -> bool:
    """Whether one or two photos carry a region with an effect above ``least``: too few."""
    few = 0 < row["n_carriers"] < LEAST_CARRIERS and row["carrier_pull"] >= least
    return bool(few and not math.isnan(row["area"]))


def _carry(row: Mapping[str, Any]) -> str:
    """``12 of 50 photos of horse (24 %, 95 % interval 14 % to 37 %) carry``."""
    share, low, high = (row[f"carrier_share{end}"] for end in ("", "_low", "_high"))
    values = {"n": int(row["n_carriers"]), "total": int(row["n_screened"])}
    values |= {"name": row["class_name"], "share": share, "low": low, "high": high}
    if row["n_carriers"] == 1:
        return tell(
            "{n:d} of {total:d} photos of {name} ({share:.0%}, 95 % interval {low:.0%} to "
            "{high:.0%}) carries",
            **values,
        )
    return tell(
        "{n:d} of {total:d} photos of {name} ({share:.0%}, 95 % interval {low:.0%} to {high:.0%}) "
        "carry",
        **values,
    )
