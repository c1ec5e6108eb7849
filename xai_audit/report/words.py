"""The report's words for reasons, regions and numbers; one word a thing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xai_audit.flags.outliers import MISTAKE, OFF_OBJECT, REASONS
from xai_audit.report.caption import Caption
from xai_audit.report.material import SHOWN_REGIONS
from xai_audit.report.picks import UNFLAGGED
from xai_audit.run.cue_words import REGION_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.report.facts import RunFacts

# Reason -> what a gallery is called, and what it shows.
TITLES = {
    "border": ("On the border", "Unusually much relevance on the border band, for this class."),
    "background": ("On the background", "Unusually much relevance off the object, for this class."),
    "object": ("Little on the object", "Unusually little relevance on the object, for this class."),
    OFF_OBJECT: ("Peak off the object", "The most relevant point misses the object."),
    MISTAKE: ("Wrong prediction", "The prediction is not the label; most confident first."),
    UNFLAGGED: ("Nothing flagged", "A random draw of photos without a flag, to compare with."),
    **{
        region: (f"In the {words}", f"Unusually much relevance in the {words}, for this class.")
        for region, words in REGION_WORDS.items()
        if region.startswith("corner_")
    },
}


def percent(share: object, digits: int = 0) -> str:
    """A share 0..1 in percent; a dash where undefined."""
    if share is None or math.isnan(value := float(share)):  # type: ignore[arg-type]
        return "–"
    return f"{value:.{digits}%}"


def measure(reason: str, flag: dict[str, Any] | None, row: dict[str, Any]) -> str:
    """What was measured for a reason against its class, in few words.

    Args:
        reason: of the flag, or ``unflagged``.
        flag: its row of the flag table.
        row: the picture's row of the score table.
    """
    if reason == UNFLAGGED or flag is None:
        return _masses(row, ("object", "border"))
    if reason == MISTAKE:
        return f"wrong, confidence {percent(flag['value'])}"
    region = "object" if reason == OFF_OBJECT else REGION_WORDS[reason]
    against = percent(flag["class_median"])
    told = f"{region} {percent(flag['value'])}"
    return told if against == "–" else f"{told} · class {against}"


def caption_of(
    row: dict[str, Any], flags: Sequence[dict[str, Any]], *, facts: RunFacts, method: str | None
) -> Caption:
    """The caption of one picture.

    Args:
        row: its row of the score table.
        flags: the flags of its image by the same method, and mistakes.
        facts: name the outputs.
        method: told where the run has several.
    """
    known = row["pred"] is not None and not math.isnan(row["pred"])
    judged = known and row["label"] is not None and row["label"] >= 0
    order = sorted(flags, key=lambda flag: REASONS.index(flag["reason"]))
    tail = "" if method is None else f" · {method}"
    return Caption(
        class_name=row["class_name"],
        predicted=facts.class_of(row["pred"]) if known else None,
        confidence=float(row["confidence"]) if known else None,
        right=bool(row["pred"] == row["label"]) if judged else None,
        reasons=tuple(_reason_line(flag, row) for flag in order),
        masses=_masses(row) + tail,
    )


def _reason_line(flag: dict[str, Any], row: dict[str, Any]) -> str:
    """One reason with its measure and how far that is from the class."""
    reason = flag["reason"]
    if reason == MISTAKE:
        return measure(reason, flag, row)
    told = measure(reason, flag, row)
    if reason == OFF_OBJECT:
        return f"peak off the object; {told}"
    return f"{told} · z {flag['distance']:.1f}"


def _masses(row: dict[str, Any], regions: Sequence[str] = SHOWN_REGIONS) -> str:
    """Where the relevance lies; regions that are undefined for this image left out."""
    told = [
        f"{region} {text}" for region in regions if (text := percent(row[f"mass_{region}"])) != "–"
    ]
    return " · ".join(told) or "no relevance"
