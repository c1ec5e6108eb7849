"""The pairs of photo and donors that are transplanted, drawn by seed, whatever the photos' order.

How donors are chosen is in :mod:`~xai_audit.evidence.donors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.evidence.donors import least_similar, ordinary, typical
from xai_audit.run.sample import hash_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.readings import CueReading

RELIANCE, PULL = "reliance", "pull"
OWN, OTHERS = "own", "others"

# Pairs per round; after each round a cell that is decided is not measured further.
LOOK = 8
# With this many photos of the most confusable classes, no further class is added.
_PULLED = 16


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
    """One photo that gets the cue of the cell's class, and the cue of another class.

    Attributes:
        image: id of the photo.
        donor_with: id of the donor of the cell's class.
        donor_without: id of the donor of another class (for pull: of the photo's own).
    """

    image: str
    donor_with: str
    donor_without: str


@dataclass(frozen=True)
class Cell:
    """The pairs of one class and cue, in the order in which they are spent.

    Attributes:
        class_name: the class that the cell is about.
        cue: its key.
        measured_on: ``own`` or ``others``.
        reliance: photos of the class.
        pull: photos of other classes, the most confusable first.
        why: why there are none, or None.
        wanted: number of pairs if there are photos enough.
    """

    class_name: str
    cue: str
    measured_on: str
    reliance: tuple[Pair, ...]
    pull: tuple[Pair, ...]
    why: str | None = None
    wanted: int = 0


@dataclass(frozen=True)
class Roster:
    """The photos that were read, by class.

    Attributes:
        ids: (n,) image ids.
        classes: (n,) class names.
        names: every class of the dataset.
        confusion: class -> how many photos of each other class are predicted, or nearly, as it.
        seed: of the run.
    """

    ids: Sequence[str]
    classes: NDArray[np.str_]
    names: Sequence[str]
    confusion: Mapping[str, Mapping[str, float]]
    seed: int


@dataclass(frozen=True)
class Known:
    """What the survey shows of one cue for one class.

    Attributes:
        cue: its key.
        way: of the cue.
        reading: what was read of it.
        pools: class -> places of its usable photos, in the order in which they are spent.
        distinct: class -> AUROC of the cue alone; NaN or absent where unknown.
        presence: (n,) how much each photo's cue looks like the class's; NaN unknown.
    """

    cue: str
    way: str
    reading: CueReading
    pools: Mapping[str, list[int]]
    distinct: Mapping[str, float]
    presence: NDArray[np.float64]


def cell(roster: Roster, name: str, known: Known, *, budget: int) -> Cell:
    """The pairs for class ``name`` and one cue, ``budget`` at most."""
    cue, way, reading, pools = known.cue, known.way, known.reading, known.pools
    mine = pools[name]
    others = [other for other in roster.names if other != name and pools[other]]
    if way == "none":
        return Cell(
            name, cue, OWN, (), (), "the file alone tells this; nothing can be transplanted"
        )
    if len(mine) < 2 or not others:
        found = f"{len(mine)} usable photo{'s' * (len(mine) != 1)} of this class"
        lacking = " with an object mask" * reading.needs_mask
        return Cell(name, cue, OWN, (), (), f"{found}{lacking}; 2 are needed, and another class")
    plain = ordinary(name, others, known.distinct)
    rivals = sorted(plain, key=lambda o: (-roster.confusion.get(name, {}).get(o, 0.0), o))
    on_others = way == "added" or (way == "down" and _lower(reading, pools, name, plain))
    counterpart = least_similar(pools, plain, known.presence)
    share = 0 if on_others else budget - budget // 4
    givers = typical(mine, known.presence)
    pull = tuple(islice(_pull_pairs(roster, givers, rivals, pools), budget - share))
    return Cell(
        class_name=name,
        cue=cue,
        measured_on=OTHERS if on_others else OWN,
        reliance=tuple(islice(_own_pairs(roster, mine, givers, counterpart, pools), share)),
        pull=pull,
        wanted=share or (len(pull) if len(pull) >= _PULLED else budget),
    )


def pools(roster: Roster, cue: str, usable: NDArray[np.bool_]) -> dict[str, list[int]]:
    """Class -> places of its usable photos, in an order drawn by seed, cue and image id."""
    found: dict[str, list[int]] = {name: [] for name in roster.names}
    order = sorted(
        np.flatnonzero(usable).tolist(),
        key=lambda place: hash_order(roster.seed, cue, roster.ids[place]),
    )
    for place in order:
        found[roster.classes[place]].append(place)
    return found


def _lower(
    reading: CueReading, pools: Mapping[str, list[int]], name: str, plain: list[str]
) -> bool:
    """Whether the class has lost what the other classes still have."""
    mine = np.nanmean(reading.levels[pools[name]])
    theirs = np.nanmean(np.concatenate([reading.levels[pools[other]] for other in plain]))
    return bool(mine < theirs)


def _own_pairs(
    roster: Roster,
    mine: list[int],
    givers: list[int],
    counterpart: list[str],
    pools: Mapping[str, list[int]],
) -> Iterator[Pair]:
    for place, image in enumerate(mine):
        theirs = pools[counterpart[place % len(counterpart)]]
        without = theirs[place // len(counterpart) % len(theirs)]
        yield _pair(roster, image, _other_than(image, givers, place), without)


def _pull_pairs(
    roster: Roster, givers: list[int], rivals: list[str], pools: Mapping[str, list[int]]
) -> Iterator[Pair]:
    count = 0
    for rival in rivals:
        theirs = pools[rival]
        if len(theirs) < 2:
            continue
        # Pull is measured on the most confusable class, which may have few photos; those of the
        # next ones are only added up to a number that can decide.
        if count >= _PULLED:
            return
        for place, image in enumerate(theirs):
            own = _other_than(image, theirs, place)
            yield _pair(roster, image, givers[count % len(givers)], own)
            count += 1


def _other_than(image: int, donors: list[int], place: int) -> int:
    """A donor for the image in ``place`` other than the image itself; another one each round."""
    start = place + place // len(donors)
    turned = (donors[(start + step) % len(donors)] for step in range(len(donors)))
    return next(donor for donor in turned if donor != image)


def _pair(roster: Roster, image: int, donor_with: int, donor_without: int) -> Pair:
    ids = roster.ids
    return Pair(ids[image], ids[donor_with], ids[donor_without])
