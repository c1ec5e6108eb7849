"""Carriers: the photos of a class whose cue alone turns photos of other classes into it.

A mean over all donors hides a mark that a quarter of a class carries: with one donor the
probability of the class is .95, with the next .01. So donors are told apart, in three rounds:

1. A few donors, those that heatmaps and the cue-only classifier suspect first, each give their cue
   to a photo of a confusable class. Where hardly any changes the decision, the cell ends here.
2. Every photo of the class is a donor to the two most responsive of these photos. The carriers are
   those that raise the log-odds about as much as the strongest do, with a gap to the others: a
   probability stops at 1, so that it does not tell a carrier from a photo that is somewhat alike.
3. Carriers give their cue to photos that no earlier round has used, of the classes that responded
   most, so that their effect is not the one that they were chosen by; and to a few of each other
   class, to see whom else it takes over. Compared is what the class's other photos give: they do
   the same damage. The carriers' own photos get the cue of those others too.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.plan import Pair

# With fewer carriers the mark may be one photo's own.
LEAST_CARRIERS = 3
# Of a class's photos; what so many carry is what the class is asked for by reliance and pull.
COMMON = 0.4
_STRONGEST = 0.1  # of the donors are the strongest
# The strongest must turn photos into the class, else no donor carries the cue (the most blurred of
# a class differ in degree): they raise the log-odds by so much (2 % to over a half), or the
# probability by a half.
TURNS, TURNED = 4.0, 0.5
# Carriers change more, the others less than some part of the strongest change; a gap of a third of
# it divides them. Measured in the audits of the planted benchmark: .34 and more for cues on 10 to
# 50 % of a class's photos, and as much in four of all cells where none was planted.
_BETWEEN = (0.25, 0.6)
_GAP = 1 / 3
_LEAST_NOISE = 0.1  # log-odds


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


def carriers(measured: Mapping[Pair, Change], *, limit: float) -> Carriers:
    """Who carries the cue, from what the screening pairs changed.

    A donor's effect is its mean over the photos that every donor was measured on. The strongest are
    the best tenth, three at least; a carrier has at least half of their effect. Where three do not
    stand out, one or two may.

    Args:
        measured: pair -> change.
        limit: a carrier changes the probability by that at least.
    """
    of = _by_donor(measured)
    if not of:
        return Carriers({}, {})
    effects = {donor: float(np.mean([one.p for one in found])) for donor, found in of.items()}
    odds = {donor: float(np.mean([one.log_odds for one in found])) for donor, found in of.items()}
    several = max(LEAST_CARRIERS, math.ceil(_STRONGEST * len(of)))
    noise = _noise([[one.log_odds for one in found] for found in of.values()])
    for count in (several, 1):
        chosen, least = _told_apart(odds, effects, count, limit)
        if chosen and (count > 1 or len(chosen) < LEAST_CARRIERS):
            sure = {d: float(ndtr((odds[d] - least) / (noise / len(of[d]) ** 0.5))) for d in chosen}
            return Carriers(effects, sure)
    return Carriers(effects, {})


def rare(found: Carriers, effect: float, least: float) -> Carriers:
    """``found``, with no carriers where they are common and the class as a whole has no effect.

    The typical half of a class stands for a cue that is common in it, so that reliance and pull
    show its effect on classes in which the cue is ordinary. Where they show none, one class is
    told from another by what the other has: nobody carries a mark's absence.

    Args:
        found: who carries the cue.
        effect: the largest that the class's typical photos showed; NaN unknown.
        least: an effect from which on it counts.
    """
    common = len(found.sure) >= COMMON * len(found.effects)
    return found if not common or effect >= least else Carriers(found.effects, {})


def _told_apart(
    odds: Mapping[str, float], effects: Mapping[str, float], count: int, limit: float
) -> tuple[list[str], float]:
    """The donors that carry the cue, the strongest first, and the log-odds that divide them.

    Args:
        odds: donor -> mean change of the log-odds.
        effects: donor -> mean change of the probability.
        count: of the strongest; one tells a single photo apart, that others would only dilute.
        limit: see :func:`carriers`.
    """
    ranked = sorted(odds, key=lambda donor: -odds[donor])
    strongest, most = (_strongest([*each.values()], count) for each in (odds, effects))
    if strongest < TURNS and most < TURNED:
        return [], 0.0
    least = _threshold(np.array([odds[donor] for donor in ranked]), strongest)
    limit = max(limit, most / 2)
    chosen = [d for d in ranked if odds[d] >= least and effects[d] >= limit]
    others = [odds[donor] for donor in ranked if donor not in chosen]
    if chosen and others and odds[chosen[-1]] - max(others) < _GAP * strongest:
        return [], 0.0
    return chosen, least


def _threshold(odds: NDArray[np.float64], strongest: float) -> float:
    """The change of log-odds that divides carriers from the other donors.

    It is the middle of the widest gap between changes of a quarter and of three fifths of the
    strongest.

    Args:
        odds: (n,) changes, the largest first.
        strongest: of them.
    """
    low, high = (share * strongest for share in _BETWEEN)
    ends = np.array([high, *odds[(odds > low) & (odds < high)], low])
    gaps = -np.diff(ends)
    widest = int(gaps.argmax())
    return float(ends[widest] + ends[widest + 1]) / 2


def _strongest(changes: Sequence[float], count: int) -> float:
    """The mean of the ``count`` largest changes."""
    return float(np.mean(sorted(changes, reverse=True)[:count]))


def _by_donor(measured: Mapping[Pair, Change]) -> dict[str, list[Change]]:
    """Donor -> its changes of the photos that (nearly) every donor was measured on."""
    donors = {pair.donor_with for pair in measured}
    many = Counter(pair.image for pair in measured)
    found: dict[str, list[Change]] = {}
    for pair, change in measured.items():
        if 2 * many[pair.image] > len(donors):
            found.setdefault(pair.donor_with, []).append(change)
    return found


def _noise(changes: Sequence[Sequence[float]]) -> float:
    """The standard deviation of one change about its donor's mean, over all donors."""
    several = [np.array(each) for each in changes if len(each) > 1]
    if not several:
        return _LEAST_NOISE
    columns: NDArray[np.float64] = np.stack([each[:2] for each in several])
    # What one photo responds more than the other is not noise of a donor.
    apart = columns[:, 0] - columns[:, 1]
    return max(float(np.std(apart)) / math.sqrt(2), _LEAST_NOISE)
