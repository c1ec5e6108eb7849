"""The sentence that describes a confused pair, with the numbers and the cues of either class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

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
        return f"No photo of {name} has {other} as its strongest rival."
    parts = [_taken(row), _differ(row)]
    if mine is not None or others is not None:
        parts.append(f"the evidence {_against(name, mine)}, and {_against(other, others)}")
    return marked(f"{'; '.join(parts)}.", made)


def _taken(row: Mapping[str, Any]) -> str:
    count, wrong = row["n_images"], row["n_confused"]
    whose = f"of {row['class_name']} whose strongest rival is {row['other_class']}"
    if count == 1:
        return f"The one photo {whose} is {'' if wrong else 'not '}taken for it"
    some = "None" if not wrong else f"{wrong}" if wrong < count else "All"
    return f"{some} of the {count} photos {whose} {'is' if wrong < 2 else 'are'} taken for it"


def _differ(row: Mapping[str, Any]) -> str:
    region, excess = row.get("region"), row.get("region_excess")
    if region is None or excess is None:
        return f"there are no other photos of {row['class_name']} to compare their heatmaps with"
    low, high = row.get("region_low"), row.get("region_high")
    theirs = f"in the class's {_photos(row['n_others'])} with another rival"
    points = round(abs(100 * excess))
    there = f"the {cue_words(region)} holds {points} point{'s' if points != 1 else ''}"
    there += f" {'more' if excess > 0 else 'less'} of their relevance than {theirs}"
    if low is None or high is None:
        return f"{there}, too few to tell a difference from chance"
    if low <= 0 <= high:
        return f"no region reliably holds more or less of their relevance than {theirs}"
    least, most = sorted((abs(100 * low), abs(100 * high)))
    return f"{there} ({least:.0f} to {most:.0f})"


def _photos(count: int) -> str:
    return f"{count} photo{'s' if count != 1 else ''}"


def _against(name: str, cues: Cues | None) -> str:
    if cues is None:
        return f"cannot say anything about {name}"
    if not cues:
        return f"holds nothing against {name}"
    parts = [f"the {cue_words(cue)} ({verdict})" for cue, verdict in cues[:_NAMED]]
    if len(cues) > _NAMED:
        parts.append(f"{len(cues) - _NAMED} more")
    *first, last = parts
    joined = f"{', '.join(first)} and {last}" if first else last
    return f"holds {joined} against {name}"


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
