"""The pairs of the three rounds in which carriers are found: see ``carriers``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from xai_audit.evidence.carriers import TURNED, TURNS
from xai_audit.evidence.plan import Pair
from xai_audit.schema import CARRIER_PULL, CARRIER_RELIANCE, SCREENING, VICTIM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.evidence.carriers import Carriers, Change

_FIRST_DONORS = 6
# Photos of the most and of the second most confusable class that the first donors give to.
_FIRST_PHOTOS = (2, 1)
_EVERY_DONOR_PHOTOS = 2
_PULL_PAIRS, _VICTIM_PAIRS, _RELIANCE_PAIRS = 16, 12, 12
# Photos of a class that the first round may use, and all rounds.
FOUND_ON = sum(_FIRST_PHOTOS)
PHOTOS = FOUND_ON + _PULL_PAIRS
# With fewer photos of the class that do not carry the cue, other classes' stand in for them.
_PLAIN = 3
# Donors of the first round that must change the decision for the second.
_RESPONSES = 2
# The effect is measured on all classes whose photos responded with so much of the most.
_ALIKE = 1 / 2


@dataclass(frozen=True)
class Screen:
    """Who may carry the cue of one class, and who gets it.

    Attributes:
        class_name: of the cell.
        cue: its key.
        donors: ids of the class's usable photos, the most suspected first.
        recipients: another class -> (id of its photo, id of another photo of that class, the donor
            without the cue), the most confusable class first.
        without: ids of donors without the cue for photos of the class, in turn, where hardly a
            photo of the class is without it.
    """

    class_name: str
    cue: str
    donors: tuple[str, ...]
    recipients: Mapping[str, tuple[tuple[str, str], ...]]
    without: tuple[str, ...]


def suspected(
    donors: Sequence[str], masses: Mapping[str, float], presence: Mapping[str, float]
) -> list[str]:
    """The donors, first those with the largest mass and presence in turn, then as given.

    Args:
        donors: ids.
        masses: id -> share of the relevance in the cue's region; absent or NaN unknown.
        presence: id -> how much the cue looks like the class's; absent or NaN unknown.
    """

    def ranked(values: Mapping[str, float]) -> list[str]:
        known = [one for one in donors if not math.isnan(values.get(one, math.nan))]
        return sorted(known, key=lambda one: -values[one])

    by_mass, by_presence = ranked(masses), ranked(presence)
    longest = max(len(by_mass), len(by_presence))
    turns = [
        one for n in range(longest) for each in (by_mass, by_presence) for one in each[n : n + 1]
    ]
    return list(dict.fromkeys([*turns, *donors]))


def first_pairs(screen: Screen) -> list[Pair]:
    """The pairs of the first round: the most suspected donors, over a few photos in turn."""
    classes = [*screen.recipients.values()]
    counts = _FIRST_PHOTOS if len(classes) > 1 else (FOUND_ON,)
    photos = [one for of, count in zip(classes, counts, strict=False) for one in of[:count]]
    return [
        _pair(screen, SCREENING, photos[place % len(photos)], donor)
        for place, donor in enumerate(screen.donors[:_FIRST_DONORS])
    ]


def most_forwards(screen: Screen) -> int:
    """The forwards of all three rounds, if none ends early and no pairs share a view."""
    every = len(screen.donors) * _EVERY_DONOR_PHOTOS
    return 2 * (_FIRST_DONORS + every + _PULL_PAIRS + _VICTIM_PAIRS + _RELIANCE_PAIRS)


def every_donor(screen: Screen, first: Mapping[Pair, Change], *, limit: float) -> list[Pair]:
    """The pairs of the second round that the first did not measure; none where it showed nothing.

    Args:
        screen: of the cell.
        first: measured pair -> change.
        limit: at least two donors must change the probability by that, or the log-odds by as much
            as turns a photo into the class: one of a class far from it stays at a small p. Or one
            turns a photo.
    """
    responses = sum(change.p >= limit or change.log_odds >= TURNS for change in first.values())
    turned = any(change.p >= TURNED for change in first.values())
    if responses < _RESPONSES and not turned:
        return []
    most: dict[str, float] = {}
    for pair, change in first.items():
        most[pair.image] = max(change.p, most.get(pair.image, change.p))
    chosen = sorted(most, key=lambda image: -most[image])[:_EVERY_DONOR_PHOTOS]
    photos = [one for of in screen.recipients.values() for one in of if one[0] in chosen]
    pairs = [_pair(screen, SCREENING, p, donor) for donor in screen.donors for p in photos]
    return [pair for pair in pairs if pair not in first]


def fresh_pairs(screen: Screen, measured: Mapping[Pair, Change], found: Carriers) -> list[Pair]:
    """The pairs of the third round: carriers and photos that no earlier round has used.

    What a carrier gives is compared with what the class's other photos give, the least suspected
    first: so the change is not that of any edit, nor of what all photos of the class have.

    Args:
        screen: of the cell.
        measured: pair of the screening -> change.
        found: who carries the cue.
    """
    chosen = list(found.sure)
    if not chosen:
        return []
    plain = [donor for donor in reversed(screen.donors) if donor not in found.sure]
    plain = plain if len(plain) >= _PLAIN else []
    responsive, others = _fresh(screen, measured)
    first = _in_turn(responsive)[:_PULL_PAIRS]
    first += [one for of in others for one in of][: _PULL_PAIRS - len(first)]
    tested = {image for image, _ in first}
    rest = [[one for one in of if one[0] not in tested] for of in (*responsive, *others)]
    asked = {*first, *chain.from_iterable(responsive)}  # a victim of these classes counts as well
    pairs = [
        _pair(
            screen,
            CARRIER_PULL if photo in asked else VICTIM,
            (photo[0], _turn(plain, place, photo[1])),
            _turn(chosen, place),
        )
        for place, photo in enumerate([*first, *_in_turn(rest)[:_VICTIM_PAIRS]])
    ]
    own = [
        Pair(
            screen.class_name,
            screen.cue,
            CARRIER_RELIANCE,
            image,
            _turn(chosen, place + 1),
            _turn(plain or screen.without, place),
        )
        for place, image in enumerate(chosen[:_RELIANCE_PAIRS])
        if len(chosen) > 1  # the one carrier is its own only donor with the cue
    ]
    return [*pairs, *(own if len(chosen) > 1 else [])]


def _fresh(
    screen: Screen, measured: Mapping[Pair, Change]
) -> tuple[list[list[tuple[str, str]]], list[list[tuple[str, str]]]]:
    """The unused photos, class by class: of those that responded alike, and of the others.

    Those that responded most come first.
    """
    most: dict[str, float] = {}
    for pair, change in measured.items():
        most[pair.image] = max(change.p, most.get(pair.image, -1.0))
    response = {
        name: max((most[image] for image, _ in of if image in most), default=-1.0)
        for name, of in screen.recipients.items()
    }
    order = sorted(response, key=lambda name: -response[name])
    least = _ALIKE * max(response.values(), default=0.0)
    found: tuple[list[list[tuple[str, str]]], ...] = ([], [])
    for place, name in enumerate(order):
        alike = place == 0 or response[name] >= least > 0
        found[0 if alike else 1].append(
            [one for one in screen.recipients[name] if one[0] not in most]
        )
    return found[0], found[1]


def _in_turn(classes: Sequence[Sequence[tuple[str, str]]]) -> list[tuple[str, str]]:
    """The first photo of each class, then the second of each, and so on."""
    return [one for turn in zip_longest(*classes) for one in turn if one is not None]


def _turn(donors: Sequence[str], place: int, otherwise: str = "") -> str:
    return donors[place % len(donors)] if donors else otherwise


def _pair(screen: Screen, question: str, photo: tuple[str, str], donor: str) -> Pair:
    image, without = photo
    return Pair(screen.class_name, screen.cue, question, image, donor, without)
