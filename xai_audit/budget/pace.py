"""How many photos and forwards some seconds pay for, by what each of them took so far."""

from __future__ import annotations

import math
from dataclasses import dataclass

_UNITS = {"s": 1, "m": 60, "h": 3600}
# Of the seconds, those for photos; and at most, where it takes so many to have some of each class,
# or where every pair of the photos that there are is measured.
_PHOTOS, _MOST = 0.4, 0.7
_OF_A_CLASS = 8  # photos without which hardly a transplant can be decided
# Of what is left then, those for the first transplants, which show what one takes.
_FIRST = 0.2
_CELLS = 64  # and at least so many: fewer measure no cell
# Photos are added only where they become so many times more: of others most pairs are drawn anew.
_GROWS = 1.5
# Room for what takes longer than before.
_SLACK = 1.25
_INSTANT = 1e-4  # seconds: no photo takes less


@dataclass(frozen=True)
class Pace:
    """Seconds that one of each takes.

    Attributes:
        photo: explained, everything that the main pass does with it.
        survey: of a photo, what it holds of each cue.
        forward: of those that a budget of forwards allows; None where none was measured: then
            one is taken to be as fast as explaining a photo is.
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
    """The photos of a first look, and its first forwards.

    Args:
        pace: of which no transplant is known.
        left: seconds.
        photos: there are.
        classes: they are of.
        least: photos, those that have been explained.
    """
    left, photo = left - pace.closing, max(pace.photo, _INSTANT)
    each = photo + pace.survey
    wanted = min(_OF_A_CLASS * classes * each, _MOST * left)
    count = max(_bounded(max(_PHOTOS * left, wanted) / each, photos), min(least, photos))
    return Reach(count, max(round(_FIRST * (left - count * each) / photo), _CELLS))


def further(pace: Pace, before: Reach, left: float, photos: int, *, is_open: bool) -> Reach:
    """What ``left`` seconds add to ``before``: photos where they grow by much, then forwards.

    Photos that were explained are not explained again; all of them are surveyed again.

    Args:
        pace: so far.
        before: how far it has come.
        left: seconds.
        photos: there are.
        is_open: whether pairs of the photos so far are not measured yet; else only photos help.
    """
    if before.photos < photos:
        spare = (_PHOTOS if is_open else _MOST) * left + before.photos * pace.photo
        count = _bounded(spare / (pace.photo + pace.survey), photos)
        if count >= min(_GROWS * before.photos if is_open else before.photos + 1, photos):
            left -= (count - before.photos) * pace.photo + count * pace.survey
            return more(pace, Reach(count, before.forwards), left)
    return more(pace, before, left) if is_open else before


def more(pace: Pace, before: Reach, left: float) -> Reach:
    """``before`` with the forwards that ``left`` seconds pay for, the report's taken off."""
    spare = left - _SLACK * pace.closing
    if spare <= 0:
        return before
    forward = max(pace.photo, _INSTANT) if pace.forward is None else pace.forward
    return Reach(before.photos, before.forwards + math.floor(spare / forward))


def _bounded(count: float, most: int) -> int:
    return min(max(math.floor(count), 1), most)
