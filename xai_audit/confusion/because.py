"""The sentence that describes a confused pair, with the numbers and the cues of either class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.language import tell
from xai_audit.run.files import scan
from xai_audit.run.verdicts import cue_words, marked
from xai_audit.schema import EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

# Cues named a class.
_NAMED = 2
Cues = list[tuple[str, str]]
_GRAVE, _OPEN = ("confirmed", "suspected"), "undetermined"
_EFFECTS = ["reliance", "pull"]


def because(
    row: Mapping[str, Any], mine: Cues | None, others: Cues | None, *, made: bool = False
) -> str:
    """One sentence: how many photos are confused, where their heatmaps differ, which cues matter.

    Args:
        row: the measured columns of BOUNDARIES.
        mine: confirmed and suspected cues of the class; None where none could be judged.
        others: of the other class.
        made: whether a network made the masks, on which the regions rest.
    """
    name, other = row["class_name"], row["other_class"]
    if not row["n_images"]:
        return tell(
            "No photo of {name} has {other} as its strongest rival.", name=name, other=other
        )
    parts = {"TAKEN": _taken(row), "HEATMAPS": _differ(row)}
    if mine is None and others is None:
        return marked(tell("{TAKEN}; {HEATMAPS}.", **parts), made)
    text = tell(
        "{TAKEN}; {HEATMAPS}; the evidence {FIRST}, and {SECOND}.",
        FIRST=_against(name, mine), SECOND=_against(other, others), **parts,
    )  # fmt: skip
    return marked(text, made)


def _taken(row: Mapping[str, Any]) -> str:
    count, wrong = row["n_images"], row["n_confused"]
    values = {"name": row["class_name"], "other": row["other_class"], "n": count}
    if count == 1:
        if wrong:
            return tell(
                "The one photo of {name} whose strongest rival is {other} is taken for it", **values
            )
        return tell(
            "The one photo of {name} whose strongest rival is {other} is not taken for it", **values
        )
    if not wrong:
        return tell(
            "None of the {n:d} photos of {name} whose strongest rival is {other} is taken for it",
            **values,
        )
    if wrong == count:
        return tell(
            "All of the {n:d} photos of {name} whose strongest rival is {other} are taken for it",
            **values,
        )
    if wrong == 1:
        return tell(
            "1 of the {n:d} photos of {name} whose strongest rival is {other} is taken for it",
            **values,
        )
    return tell(
        "{wrong:d} of the {n:d} photos of {name} whose strongest rival is {other} are taken for it",
        wrong=wrong, **values,
    )  # fmt: skip


def _differ(row: Mapping[str, Any]) -> str:
    region, excess = row.get("region"), row.get("region_excess")
    if region is None or excess is None:
        return tell(
            "there are no other photos of {name} to compare their heatmaps with",
            name=row["class_name"],
        )
    low, high = row.get("region_low"), row.get("region_high")
    if low is not None and high is not None and low <= 0 <= high:
        return tell(
            "no region reliably holds more or less of their relevance than in the class's {PHOTOS} "
            "with another rival",
            PHOTOS=_photos(row["n_others"]),
        )
    more = excess > 0
    values = {"cue": cue_words(region), "POINTS": _points(round(abs(100 * excess)))}
    values |= {"PHOTOS": _photos(row["n_others"])}
    there = tell(
        "the {cue} holds {POINTS} more of their relevance than in the class's {PHOTOS} with "
        "another rival",
        **values,
    ) if more else tell(
        "the {cue} holds {POINTS} less of their relevance than in the class's {PHOTOS} with "
        "another rival",
        **values,
    )  # fmt: skip
    if low is None or high is None:
        return tell("{THERE}, too few to tell a difference from chance", THERE=there)
    least, most = sorted((abs(100 * low), abs(100 * high)))
    return tell("{THERE} ({least:.0f} to {most:.0f})", THERE=there, least=least, most=most)


def _points(count: int) -> str:
    return tell("1 point") if count == 1 else tell("{n:d} points", n=count)


def _photos(count: int) -> str:
    return tell("1 photo") if count == 1 else tell("{n:d} photos", n=count)


def _against(name: str, cues: Cues | None) -> str:
    if cues is None:
        return tell("cannot say anything about {name}", name=name)
    if not cues:
        return tell("holds nothing against {name}", name=name)
    parts = [
        tell("the {cue} ({verdict})", cue=cue_words(cue), verdict=verdict)
        for cue, verdict in cues[:_NAMED]
    ]
    if len(cues) > _NAMED:
        parts.append(tell("{n:d} more", n=len(cues) - _NAMED))
    some = parts[0]
    for each in parts[1:-1]:
        some = tell("{SOME}, {OTHER}", SOME=some, OTHER=each)
    if len(parts) > 1:
        some = tell("{SOME} and {LAST}", SOME=some, LAST=parts[-1])
    return tell("holds {CUES} against {name}", CUES=some, name=name)


def cues_of(
    evidence: Path | None, classes: Collection[str]
) -> Mapping[tuple[str, str], Cues] | None:
    """(class, method) -> (cue, verdict), confirmed before suspected, the largest effect first.

    Empty where the class has none, absent where none of its cues could be judged. None without
    evidence.

    Args:
        evidence: the table, None where there is none.
        classes: names.

    Raises:
        OutputError: the table cannot be read.
    """
    if evidence is None:
        return None
    where = ds.field("class_name").isin(pa.array(sorted(classes), pa.string()))
    columns = ["class_name", "method", "cue", "verdict", *_EFFECTS]
    found: dict[tuple[str, str], Cues] = {}
    for frame in scan([evidence], EVIDENCE, columns, where):
        judged = frame[frame["verdict"] != _OPEN]
        for key in zip(judged["class_name"], judged["method"], strict=True):
            found.setdefault(key, [])
        frame = judged[judged["verdict"].isin(_GRAVE)]
        effect = frame[_EFFECTS].astype("float64").max(axis=1).fillna(0)
        grave = frame["verdict"].map({verdict: n for n, verdict in enumerate(_GRAVE)})
        order = pd.DataFrame({"grave": grave, "effect": -effect, "cue": frame["cue"]})
        for place in order.sort_values(["grave", "effect", "cue"]).index:
            row = frame.loc[place]
            key = row["class_name"], row["method"]
            found[key] = [*found[key], (row["cue"], row["verdict"])]
    return found
