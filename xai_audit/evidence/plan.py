"""The pairs of photo and donors that are transplanted, drawn by seed, whatever the photos' order.

How donors are chosen is in :mod:`~xai_audit.evidence.donors`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from xai_audit.evidence.donors import confusable, least_similar, ordinary, typical
from xai_audit.evidence.pairs import PULLED, own_pairs, pull_pairs
from xai_audit.language import tell
from xai_audit.schema import PULL, RELIANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.readings import CueReading

_Key = TypeVar("_Key")

OWN, OTHERS = "own", "others"

MIN_IMAGES = 6  # fewer pairs answer nothing
# Pairs per round; after each round a cell that is decided is not measured further.
LOOK = 8
# A discovered region is a cue of one class only; its key within a run names both.
_OF = "@"


def discovered(cue: str, class_name: str) -> str:
    """The key of a cue that was discovered in one class."""
    return f"{cue}{_OF}{class_name}"


def shown(cue: str) -> str:
    """The name of a cue in tables, from its key."""
    return cue.partition(_OF)[0]


def owner(cue: str) -> str | None:
    """The class that a discovered cue's key belongs to, None for a cue of all classes."""
    return cue.partition(_OF)[2] or None


@dataclass(frozen=True)
class Pair:
    """One photo with the cue of its cell's class, and with that of another class.

    Attributes:
        class_name: of the cell.
        cue: its key.
        question: ``reliance``, ``pull``, ``scrambled`` or ``whole``.
        image: id of the photo.
        donor_with: id of the donor of the cell's class.
        donor_without: id of the donor of another class (for pull: of the photo's own).
        given: key of the cue that is put back afterwards, or None.
    """

    class_name: str
    cue: str
    question: str
    image: str
    donor_with: str
    donor_without: str
    given: str | None = None

    @property
    def photos(self) -> tuple[str, str, str]:
        """The ids of its photo and donors."""
        return self.image, self.donor_with, self.donor_without


@dataclass(frozen=True)
class Cell:
    """The pairs of one class and cue, in the order in which they are spent.

    Attributes:
        class_name: the class that the cell is about.
        cue: its key.
        measured_on: ``own`` or ``others``.
        reliance: photos of the class.
        pull: photos of other classes, the most confusable first.
        scrambled: photos of other classes with the scrambled twin of what is put on.
        whole: a few pairs of reliance, or of pull, with the object changed too.
        why: why there are none of the class's own, or None.
        wanted: number of pairs if there are photos enough.
        left: forwards of the pairs that the budget did not reach.
        together: pairs of reliance and pull at most: pull has what reliance saves; None: all.
    """

    class_name: str
    cue: str
    measured_on: str
    reliance: tuple[Pair, ...]
    pull: tuple[Pair, ...]
    why: str | None = None
    wanted: int = 0
    scrambled: tuple[Pair, ...] = ()
    whole: tuple[Pair, ...] = ()
    left: int = 0
    together: int | None = None

    @property
    def questions(self) -> tuple[tuple[Pair, ...], ...]:
        """The pairs of each question."""
        return self.reliance, self.pull, self.scrambled, self.whole

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All of them."""
        return tuple(pair for pairs in self.questions for pair in pairs)


@dataclass(frozen=True)
class Roster:
    """The photos that were read, by class.

    Attributes:
        ids: (n,) image ids.
        classes: (n,) class names.
        names: every class of the dataset.
        confusion: class -> how many photos of each other class are predicted, or nearly, as it.
        seed: of the run.
        clusters: (n,) numbers; near-duplicates and photos of one group share one.
    """

    ids: Sequence[str]
    classes: NDArray[np.str_]
    names: Sequence[str]
    confusion: Mapping[str, Mapping[str, float]]
    seed: int
    clusters: NDArray[np.int64]

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Class -> places of its photos, in the order of the survey."""
        found: dict[str, list[int]] = {name: [] for name in self.names}
        for place, name in enumerate(self.classes.tolist()):
            found[name].append(place)
        return found


@dataclass(frozen=True)
class Separation:
    """How well one cue separates the classes, by the cue-only classifier.

    Attributes:
        distinct: class -> AUROC; NaN or absent where unknown.
        presence: class -> its photos' cross-validated scores, in the order of the survey: how much
            the cue of each looks like the class's; NaN unknown.
        likeness: class -> the mean of these scores over the photos of each class of the roster.
    """

    distinct: Mapping[str, float]
    presence: Mapping[str, NDArray[np.float64]]
    likeness: Mapping[str, NDArray[np.float64]]


def cell(
    roster: Roster,
    name: str,
    reading: CueReading,
    pools: Mapping[str, list[int]],
    separation: Separation | None,
    *,
    budget: int,
) -> Cell:
    """The pairs for class ``name`` and one cue.

    Args:
        roster: the photos that were read.
        name: of the class.
        reading: of the cue in these photos.
        pools: class -> places of its usable photos, in the order in which they are spent.
        separation: what the cue alone tells; None where unknown.
        budget: pairs at most.
    """
    known = separation or Separation({}, {}, {})
    distinct, cue, way, mine = known.distinct, reading.cue, reading.way, pools[name]
    if way == "none":
        alone = tell("the file alone tells this; nothing can be transplanted")
        return Cell(name, cue, OWN, (), (), alone)
    found = reading.in_words(len(mine), roster.places[name])
    few = tell("{FOUND}; {least:d} are needed", FOUND=found, least=MIN_IMAGES)
    # What no photo could decide costs no look at the other classes.
    known_alone = not math.isnan(distinct.get(name, math.nan))
    able = len(mine) >= MIN_IMAGES or (len(mine) > 1 and (way == "down" or known_alone))
    others = [other for other in roster.names if other != name and pools[other]] if able else []
    if not others:
        lonely = all(other == name or not pools[other] for other in roster.names)
        none = tell("{FOUND}, and none of another", FOUND=found)
        return Cell(name, cue, OWN, (), (), none if lonely else few)
    plain = ordinary(name, others, distinct)
    on_others = way == "down" and _lower(reading, pools, name, plain)
    relies = not on_others and len(mine) >= MIN_IMAGES
    # Of so few photos only pull may be known, if availability is: without it no pull confirms.
    if not (on_others or relies or known_alone):
        return Cell(name, cue, OWN, (), (), few)
    rivals = confusable(roster.confusion.get(name, {}), others)
    counterpart = least_similar(_by(roster.names, known.likeness.get(name)), plain)
    share = max(budget - 2 * budget // 5, min(budget, MIN_IMAGES)) if relies else 0
    left = budget - min(share, LOOK)
    if share:  # photos of further classes would only dilute the pull
        left = min(left, max(LOOK, len(pools[rivals[0]])))
    givers = typical(mine, _by(roster.places[name], known.presence.get(name)))
    near = roster.clusters
    own = islice(own_pairs(mine, givers, counterpart, pools, near), share)
    neutral = [*chain.from_iterable(pools[other] for other in counterpart)]
    apt = {*plain}
    theirs = ((pools[rival], () if rival in apt else neutral) for rival in rivals)
    pull = islice(pull_pairs(givers, theirs, near), left)

    def pairs(question: str, places: Iterable[tuple[int, int, int]]) -> tuple[Pair, ...]:
        ids = roster.ids
        return tuple(Pair(name, cue, question, ids[i], ids[w], ids[o]) for i, w, o in places)

    pulled = pairs(PULL, pull)
    return Cell(
        class_name=name,
        cue=cue,
        measured_on=OTHERS if on_others else OWN,
        reliance=pairs(RELIANCE, own),
        pull=pulled,
        why=few if not (relies or on_others) and reading.cropped(roster.places[name]) else None,
        wanted=share or (len(pulled) if len(pulled) >= PULLED else budget),
        together=budget if share else None,
    )


def _lower(
    reading: CueReading, pools: Mapping[str, list[int]], name: str, plain: list[str]
) -> bool:
    """Whether the class has lost what the other classes still have."""
    mine = np.nanmean(reading.levels[pools[name]])
    theirs = np.nanmean(reading.levels[[place for other in plain for place in pools[other]]])
    return bool(mine < theirs)


def _by(keys: Sequence[_Key], values: NDArray[np.float64] | None) -> dict[_Key, float]:
    """Key -> value; empty where there are no values."""
    return {} if values is None else dict(zip(keys, values.tolist(), strict=True))
