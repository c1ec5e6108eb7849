"""How many photos and forwards some seconds pay for, by what each of them took so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNITS = {"s": 1, "m": 60, "h": 3600}
# Of the seconds, those for photos; and at most, where it takes so many to have some of each class.
_PHOTOS, _MOST = 0.4, 0.7
_OF_A_CLASS = 8  # photos without which hardly a transplant can be decided
# Of what is left then, those for the first transplants, which show what one takes.
_FIRST = 0.2
# Photos are added only where they become so many times more: of others all pairs are drawn anew.
_GROWS = 1.5
_TRANSPLANTS = ("transplant", "carriers", "joint")
_CLOSING = ("verdict", "boundary", "flag", "gallery", "explore", "page")
# Room for what takes longer than before.
_SLACK = 1.25


@dataclass(frozen=True)
class Pace:
    """Seconds that one of each takes.

    Attributes:
        photo: explained, everything that the main pass does with it.
        survey: of a photo, what it holds of each cue.
        forward: of a transplant, with its editing; None where none was measured.
        closing: verdicts and report, once. Before it is measured, what the demo's take on two
            cores.
    """

    photo: float
    survey: float
    forward: float | None = None
    closing: float = 10.0


@dataclass(frozen=True)
class Reach:
    """How far an audit goes.

    Attributes:
        photos: of a stratified sample.
        forwards: of transplants at most.
    """

    photos: int
    forwards: int


def seconds_of(text: str) -> float:
    """The seconds of ``60``, ``60s``, ``5m`` or ``1.5h``."""
    unit = _UNITS.get(text[-1])
    return float(text) if unit is None else float(text[:-1]) * unit


def first(pace: Pace, left: float, photos: int, classes: int, *, least: int = 1) -> Reach:
    """The photos of a first look, and its first forwards, taken to be as fast as explaining is.

    Args:
        pace: of which no transplant is known.
        left: seconds.
        photos: there are.
        classes: they are of.
        least: photos, those that have been explained.
    """
    left, each = left - pace.closing, pace.photo + pace.survey
    wanted = min(_OF_A_CLASS * classes * each, _MOST * left)
    count = max(_bounded(max(_PHOTOS * left, wanted) / each, photos), min(least, photos))
    return Reach(count, max(round(_FIRST * (left - count * each) / pace.photo), 1))


def further(pace: Pace, before: Reach, left: float, photos: int) -> Reach:
    """What ``left`` seconds add to ``before``: photos where they grow by much, then forwards.

    Photos that were explained are not explained again; all of them are surveyed again.
    """
    spare = _PHOTOS * left + before.photos * pace.photo
    count = _bounded(spare / (pace.photo + pace.survey), photos)
    if count < min(_GROWS * before.photos, photos):
        return more(pace, before, left)
    left -= (count - before.photos) * pace.photo + count * pace.survey
    return more(pace, Reach(count, before.forwards), left)


def more(pace: Pace, before: Reach, left: float) -> Reach:
    """``before`` with the forwards that ``left`` seconds pay for, the report's taken off."""
    spare = left - _SLACK * pace.closing
    if pace.forward is None or spare <= 0:
        return before
    return Reach(before.photos, before.forwards + math.floor(spare / pace.forward))


def pace_of(timings: Mapping[str, float], before: Pace, *, photos: int, forwards: int) -> Pace:
    """``before``, by what the stages of a whole audit of ``photos`` photos took.

    Args:
        timings: stage -> seconds, of the stages that ran.
        before: holds where a stage did not run.
        photos: that were surveyed.
        forwards: that were planned for it beyond those of an earlier audit.
    """
    spent = sum(timings.get(stage, 0.0) for stage in _TRANSPLANTS)
    surveyed = timings.get("survey")
    return Pace(
        photo=before.photo,
        survey=before.survey if surveyed is None else surveyed / photos,
        forward=spent / forwards if spent and forwards else before.forward,
        closing=sum(timings.get(stage, 0.0) for stage in _CLOSING) or before.closing,
    )


def _bounded(count: float, most: int) -> int:
    return min(max(math.floor(count), 1), most)
