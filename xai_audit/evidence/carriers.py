"""Carriers: the photos of a class whose cue alone turns photos of other classes into it.

A mean over all donors hides a mark that a quarter of a class carries: with one donor the
probability of the class is .95, with the next .01. So donors are told apart, in three rounds:

1. A few donors, those that heatmaps and the cue-only classifier suspect first, each give their cue
   to a photo of another class. Where hardly any changes the decision, the cell ends here.
2. Every photo of the class is a donor to the two most responsive of these photos. The carriers are
   those that raise the log-odds about as much as the strongest do, with a gap to the others: a
   probability stops at 1, so that it does not tell a carrier from a photo that is somewhat alike.
3. Carriers give their cue to photos that no earlier round has used, so that their effect is not
   the one that they were chosen by. Their own photos get the cue of other classes.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr

from xai_audit.evidence.plan import Pair
from xai_audit.schema import CARRIER_PULL, CARRIER_RELIANCE, SCREENING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# With fewer carriers the mark may be one photo's own.
LEAST_CARRIERS = 3
_FIRST_DONORS, _FIRST_PHOTOS = 6, 3
_EVERY_DONOR_PHOTOS = 2
_PULL_PAIRS, _RELIANCE_PAIRS = 16, 12
PHOTOS = _FIRST_PHOTOS + _PULL_PAIRS
# Donors of the first round that must change the decision for the second.
_RESPONSES = 2
_STRONGEST = 0.1  # the share of the donors whose mean change is the strongest
# Carriers change more, the others less than some part of the strongest change; a gap divides them.
_BETWEEN = (0.25, 0.6)
_GAP = 0.1
_LEAST_NOISE = 0.1  # log-odds


@dataclass(frozen=True)
class Screen:
    """Who may carry the cue of one class, and who gets it.

    Attributes:
        class_name: of the cell.
        cue: its key.
        donors: ids of the class's usable photos, the most suspected first.
        recipients: (id of a photo of another class, id of its donor without the cue), in the order
            in which they are used.
        without: ids of donors without the cue for photos of the class, in turn.
    """

    class_name: str
    cue: str
    donors: tuple[str, ...]
    recipients: tuple[tuple[str, str], ...]
    without: tuple[str, ...]


class Change(NamedTuple):
    """What a pair changed: the class's probability and its log-odds, with the cue less without."""

    p: float
    log_odds: float


@dataclass(frozen=True)
class Carriers:
    """The photos of a class that carry a cue.

    Attributes:
        effects: id of every donor -> mean change of the class's probability with its cue.
        sure: id of each carrier -> the probability that its change of the log-odds is above the
            threshold, from the scatter of a donor's changes; the largest change first.
    """

    effects: Mapping[str, float]
    sure: Mapping[str, float]


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
    photos = screen.recipients[:_FIRST_PHOTOS]
    return [
        _pair(screen, SCREENING, *photos[place % len(photos)], donor)
        for place, donor in enumerate(screen.donors[:_FIRST_DONORS])
    ]


def every_donor(screen: Screen, first: Mapping[Pair, Change], *, limit: float) -> list[Pair]:
    """The pairs of the second round that the first did not measure; none where it showed nothing.

    Args:
        screen: of the cell.
        first: measured pair -> change.
        limit: at least two donors must change the probability by that.
    """
    if sum(change.p >= limit for change in first.values()) < _RESPONSES:
        return []
    most: dict[str, float] = {}
    for pair, change in first.items():
        most[pair.image] = max(change.p, most.get(pair.image, change.p))
    chosen = sorted(most, key=lambda image: -most[image])[:_EVERY_DONOR_PHOTOS]
    photos = [one for one in screen.recipients if one[0] in chosen]
    pairs = [_pair(screen, SCREENING, *p, donor) for donor in screen.donors for p in photos]
    return [pair for pair in pairs if pair not in first]


def carriers(measured: Mapping[Pair, Change], *, limit: float) -> Carriers:
    """Who carries the cue, from what the screening pairs changed.

    A donor's effect is its mean over the photos that every donor was measured on.

    Args:
        measured: pair -> change.
        limit: a carrier changes the probability by that at least.
    """
    of = _by_donor(measured)
    if not of:
        return Carriers({}, {})
    effects = {donor: float(np.mean([one.p for one in found])) for donor, found in of.items()}
    odds = {donor: float(np.mean([one.log_odds for one in found])) for donor, found in of.items()}
    ranked = sorted(odds, key=lambda donor: -odds[donor])
    least = _threshold(np.array([odds[donor] for donor in ranked]))
    if least is None:
        return Carriers(effects, {})
    noise = _noise([[one.log_odds for one in found] for found in of.values()])
    chosen = [d for d in ranked if odds[d] >= least and effects[d] >= limit]
    sure = {d: float(ndtr((odds[d] - least) / (noise / len(of[d]) ** 0.5))) for d in chosen}
    return Carriers(effects, sure)


def _threshold(odds: NDArray[np.float64]) -> float | None:
    """The change of log-odds that divides carriers from the other donors; None without a gap.

    It is the middle of the widest gap between changes of a quarter and of three fifths of the
    strongest, which is the mean of the best tenth, three at least. Donors that fill these two
    fifths evenly differ in degree and not in kind.

    Args:
        odds: (n,) changes, the largest first.
    """
    strongest = float(odds[: max(LEAST_CARRIERS, math.ceil(_STRONGEST * len(odds)))].mean())
    low, high = (share * strongest for share in _BETWEEN)
    if strongest <= 0:
        return None
    ends = np.array([high, *odds[(odds > low) & (odds < high)], low])
    gaps = -np.diff(ends)
    widest = int(gaps.argmax())
    if gaps[widest] < _GAP * strongest:
        return None
    return float(ends[widest] + ends[widest + 1]) / 2


def _by_donor(measured: Mapping[Pair, Change]) -> dict[str, list[Change]]:
    """Donor -> its changes of the photos that (nearly) every donor was measured on."""
    donors = {pair.donor_with for pair in measured}
    many = Counter(pair.image for pair in measured)
    found: dict[str, list[Change]] = {}
    for pair, change in measured.items():
        if 2 * many[pair.image] > len(donors):
            found.setdefault(pair.donor_with, []).append(change)
    return found


def test_pairs(screen: Screen, found: Carriers) -> list[Pair]:
    """The pairs of the third round: carriers and photos that no earlier round has used."""
    chosen = list(found.sure)
    if not chosen:
        return []
    fresh = screen.recipients[_FIRST_PHOTOS:PHOTOS]
    pull = [
        _pair(screen, CARRIER_PULL, *one, chosen[place % len(chosen)])
        for place, one in enumerate(fresh)
    ]
    own = [
        Pair(
            screen.class_name,
            screen.cue,
            CARRIER_RELIANCE,
            image,
            chosen[(place + 1) % len(chosen)],
            screen.without[place % len(screen.without)],
        )
        for place, image in enumerate(islice(chosen, _RELIANCE_PAIRS))
    ]
    return [*pull, *(own if len(chosen) > 1 else [])]


def _pair(screen: Screen, question: str, image: str, without: str, donor: str) -> Pair:
    return Pair(screen.class_name, screen.cue, question, image, donor, without)


def _noise(changes: Sequence[Sequence[float]]) -> float:
    """The standard deviation of one change about its donor's mean, over all donors."""
    several = [np.array(each) for each in changes if len(each) > 1]
    if not several:
        return _LEAST_NOISE
    columns: NDArray[np.float64] = np.stack([each[:2] for each in several])
    # What one photo responds more than the other is not noise of a donor.
    apart = columns[:, 0] - columns[:, 1]
    return max(float(np.std(apart)) / math.sqrt(2), _LEAST_NOISE)
