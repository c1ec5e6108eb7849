"""The report's words for reasons, predictions and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_audit.flags.outliers import MISTAKE, OFF_OBJECT, REASONS
from xai_audit.language import say
from xai_audit.report.material import SHOWN_REGIONS
from xai_audit.run.verdicts import cue_words, marked
from xai_audit.schema import ABSENT, REGIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.report.facts import RunFacts

UNFLAGGED = "unflagged"
BY_MASKS = ("object", "background", OFF_OBJECT)


def titles(*, made: bool = False) -> dict[str, tuple[str, str]]:
    """Reason -> what a gallery is called, and what it shows.

    What rests on masks is marked where these were ``made`` by a network.
    """
    corners = {region: cue_words(region) for region in REGIONS if region.startswith("corner_")}
    known = {
        "border": (
            say("On the border"),
            say("Unusually much relevance on the border band, for this class."),
        ),
        "background": (
            say("On the background"),
            say("Unusually much relevance off the object, for this class."),
        ),
        "object": (
            say("Little on the object"),
            say("Unusually little relevance on the object, for this class."),
        ),
        OFF_OBJECT: (say("Peak off the object"), say("The most relevant point misses the object.")),
        MISTAKE: (
            say("Wrong prediction"),
            say("The prediction is not the label; most confident first."),
        ),
        UNFLAGGED: (
            say("Nothing flagged"),
            say("A random draw of photos without a flag, to compare with."),
        ),
        **{
            region: (
                say("In the {cue}", cue=words),
                say("Unusually much relevance in the {cue}, for this class.", cue=words),
            )
            for region, words in corners.items()
        },
    }
    return {
        reason: (title, marked(text, made and reason in BY_MASKS))
        for reason, (title, text) in known.items()
    }


def kind_words(kind: str) -> str:
    """What is explained, by its target kind."""
    known = {
        "contrast": say("the margin to the strongest other class"),
        "label": say("the true class"),
        "pred": say("the predicted class"),
    }
    return known.get(kind, kind)


@dataclass(frozen=True)
class Caption:
    """The words about one picture.

    Attributes:
        class_name: its class.
        predicted: the class predicted, or None where unknown.
        confidence: of the prediction, 0..1, or None.
        right: whether the two agree, None where that is unknown.
        reasons: reason of a flag -> what was measured, in the order of ``REASONS``.
        masses: where the relevance lies, in one line.
    """

    class_name: str
    predicted: str | None
    confidence: float | None
    right: bool | None
    reasons: dict[str, str]
    masses: str

    @property
    def headline(self) -> str:
        """Class, arrow, prediction and confidence; the class alone where that is predicted."""
        if self.predicted is None:
            return self.class_name
        sure = "" if self.confidence is None else f" {self.confidence:.0%}"
        if self.right:
            return f"{self.class_name}{sure}"
        return f"{self.class_name} → {self.predicted}{sure}"

    def lines(self, first: str) -> tuple[str, ...]:
        """The measured values: of the reason ``first``, then of the others, then the masses."""
        others = (text for reason, text in self.reasons.items() if reason != first)
        own = [self.reasons[first]] if first in self.reasons else []
        return (*own, *others, self.masses)


def caption_of(
    row: dict[str, Any], flags: Sequence[dict[str, Any]], *, facts: RunFacts, method: str | None
) -> Caption:
    """The caption of one picture.

    Args:
        row: its row of the score table.
        flags: the flags of its image by the same method, and mistakes.
        facts: name the outputs.
        method: given where the run has several.
    """
    known = row["pred"] is not None and not math.isnan(row["pred"])
    name, predicted = row["class_name"], facts.class_of(row["pred"]) if known else None
    judged = known and row["label"] is not None and row["label"] >= 0
    if row["label"] == ABSENT:
        name, judged = say("no {name}", name=name), known
    elif known and row["pred"] == ABSENT:
        predicted = say("no {name}", name=name)
    order = sorted(flags, key=lambda flag: REASONS.index(flag["reason"]))
    tail = "" if method is None else f" · {method}"
    return Caption(
        class_name=name,
        predicted=predicted,
        confidence=float(row["confidence"]) if known else None,
        right=bool(row["pred"] == row["label"]) if judged else None,
        reasons={flag["reason"]: _measured(flag) for flag in order},
        masses=masses(row) + tail,
    )


def _measured(flag: dict[str, Any]) -> str:
    """The measured value of a flag, beside its class's and in the class's spread."""
    reason, value = flag["reason"], percent(flag["value"])
    if reason == MISTAKE:
        return say("wrong, confidence {share}", share=value)
    region = cue_words("object" if reason == OFF_OBJECT else reason)
    against = percent(flag["class_median"])
    found = f"{region} {value}"
    if against != "–":
        found = say("{cue} {share} · class {other}", cue=region, share=value, other=against)
    if reason == OFF_OBJECT:
        return say("peak off the object; {found}", found=found)
    return f"{found} · z {flag['distance']:.1f}"


def masses(row: dict[str, Any], regions: Sequence[str] = SHOWN_REGIONS) -> str:
    """The masses by region; regions that are undefined for this image are left out."""
    known = [
        f"{cue_words(region)} {text}"
        for region in regions
        if (text := percent(row[f"mass_{region}"])) != "–"
    ]
    return " · ".join(known) or say("no relevance")


def percent(share: object, digits: int = 0) -> str:
    """A share 0..1 in percent; a dash where undefined."""
    if share is None or math.isnan(value := float(share)):  # type: ignore[arg-type]
        return "–"
    # Adding 0.0 takes the sign from -0.0.
    return f"{round(value, digits + 2) + 0.0:.{digits}%}"


def two(value: float | None) -> str:
    """A number to two decimals; a dash where undefined."""
    if value is None:
        return "–"
    # Adding 0.0 takes the sign from -0.0.
    return f"{round(value, 2) + 0.0:.2f}"


def interval(low: float | None, high: float | None) -> str:
    """The ends of an interval to two decimals."""
    return say("{low} to {high}", low=two(low), high=two(high))


def times(lift: float | None) -> str:
    """A lift as a factor; a dash where undefined."""
    return "–" if lift is None else f"×{lift:.1f}"


def whole(number: int) -> str:
    """A count with its thousands separated by a thin space, as in SI."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def fact(value: object) -> str:
    """A fact for people: floats to two decimals, everything else in its own words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {fact(part)}" for key, part in value.items())
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def printable(text: str) -> str:
    """``text`` on one line, what cannot be drawn replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
