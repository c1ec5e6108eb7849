"""Which photos are transplanted, with whose cue: drawn by seed, the same whatever the order.

The counterpart of a class are the classes in which the cue is ordinary, that is least telling of
the class by the cue-only classifier. Otherwise the rival of a class with a planted mark, which is
known by the mark's absence, would be called reliant on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.manifest import rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.read import CueReading

RELIANCE, PULL = "reliance", "pull"
OWN, OTHERS = "own", "others"

# Classes that give the counterpart's donors.
_DONOR_CLASSES = 4
# Pairs a look at the results; what is decided by then costs nothing more.
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
    """One photo that gets a cue of the class asked about, and that of another class.

    Attributes:
        image: row of the photo among the selected ones.
        donor_with: row of the donor of the class asked about.
        donor_without: row of the donor of another class (for pull: of the photo's own).
    """

    image: int
    donor_with: int
    donor_without: int


@dataclass(frozen=True)
class Cell:
    """The pairs of one class and cue, in the order in which they are spent.

    Attributes:
        class_name: asked about.
        cue: its key.
        measured_on: ``own`` or ``others``.
        reliance: photos of the class.
        pull: photos of other classes, the most confusable first.
        why: why there are none, or None.
    """

    class_name: str
    cue: str
    measured_on: str
    reliance: tuple[Pair, ...]
    pull: tuple[Pair, ...]
    why: str | None = None


@dataclass(frozen=True)
class Roster:
    """The photos that were read, by class.

    Attributes:
        rows: (n,) among the selected ones.
        ids: (n,) image ids.
        classes: (n,) class names.
        names: every class of the dataset.
        confusion: class -> share of its photos that are mistaken, or nearly, for each other class.
        seed: of the run.
    """

    rows: NDArray[np.int64]
    ids: Sequence[str]
    classes: NDArray[np.str_]
    names: Sequence[str]
    confusion: Mapping[str, Mapping[str, float]]
    seed: int


@dataclass(frozen=True)
class Known:
    """What the survey tells of one cue for one class.

    Attributes:
        cue: its key.
        way: of the cue.
        reading: what was read of it.
        distinct: class -> AUROC of the cue alone; NaN or absent where unknown.
        presence: (n,) how much each photo's cue looks like the class's; NaN unknown.
    """

    cue: str
    way: str
    reading: CueReading
    distinct: Mapping[str, float]
    presence: NDArray[np.float64]


def cell(roster: Roster, name: str, known: Known, *, budget: int) -> Cell:
    """The pairs for class ``name`` and one cue, ``budget`` at most."""
    cue, way, reading = known.cue, known.way, known.reading
    pools = {
        other: _shuffled(roster, np.flatnonzero(reading.usable & (roster.classes == other)), cue)
        for other in roster.names
    }
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
    ordinary = _ordinary(others, known.distinct)
    rivals = sorted(ordinary, key=lambda o: (-roster.confusion.get(name, {}).get(o, 0.0), o))
    on_others = way == "added" or (way == "down" and _lower(reading, pools, name, ordinary))
    counterpart = _least_alike(roster, ordinary, pools, known.presence)
    share = 0 if on_others else budget - budget // 4
    return Cell(
        class_name=name,
        cue=cue,
        measured_on=OTHERS if on_others else OWN,
        reliance=tuple(_own_pairs(roster, mine, counterpart, pools)[:share]),
        pull=tuple(_pull_pairs(roster, mine, rivals, pools)[: budget - share]),
    )


def _ordinary(others: list[str], distinct: Mapping[str, float]) -> list[str]:
    """The half of the other classes in which the cue tells least."""
    known = {other: distinct.get(other, float("nan")) for other in others}
    ranked = sorted(others, key=lambda o: (0.5 if known[o] != known[o] else known[o], o))
    return ranked[: (len(ranked) + 1) // 2]


def _least_alike(
    roster: Roster,
    ordinary: list[str],
    pools: Mapping[str, list[int]],
    presence: NDArray[np.float64],
) -> list[str]:
    """Of the ordinary classes those whose cue looks least like the class's own."""
    alike = {}
    for other in ordinary:
        scores = presence[roster.classes == other]
        known = scores[~np.isnan(scores)]
        alike[other] = float(known.mean()) if len(known) else 0.0
    return sorted((o for o in ordinary if pools[o]), key=lambda o: (alike[o], o))[:_DONOR_CLASSES]


def _lower(
    reading: CueReading, pools: Mapping[str, list[int]], name: str, ordinary: list[str]
) -> bool:
    """Whether the class has lost what the ordinary classes still have."""
    mine = np.nanmean(reading.levels[pools[name]])
    theirs = np.nanmean(np.concatenate([reading.levels[pools[other]] for other in ordinary]))
    return bool(mine < theirs)


def _own_pairs(
    roster: Roster, mine: list[int], counterpart: list[str], pools: Mapping[str, list[int]]
) -> list[Pair]:
    pairs = []
    for place, image in enumerate(mine):
        other = counterpart[place % len(counterpart)]
        turn = place // len(counterpart)
        pairs.append(
            _pair(
                roster,
                image,
                mine[(place + 1 + turn % (len(mine) - 1)) % len(mine)],
                pools[other][turn % len(pools[other])],
            )
        )
    return pairs


def _pull_pairs(
    roster: Roster, mine: list[int], rivals: list[str], pools: Mapping[str, list[int]]
) -> list[Pair]:
    pairs: list[Pair] = []
    for rival in rivals:
        theirs = pools[rival]
        if len(theirs) < 2:
            continue
        for place, image in enumerate(theirs):
            own = theirs[(place + 1) % len(theirs)]
            pairs.append(_pair(roster, image, mine[len(pairs) % len(mine)], own))
    return pairs


def _pair(roster: Roster, image: int, donor_with: int, donor_without: int) -> Pair:
    rows = roster.rows
    return Pair(int(rows[image]), int(rows[donor_with]), int(rows[donor_without]))


def _shuffled(roster: Roster, places: NDArray[np.int64], cue: str) -> list[int]:
    """``places`` in an order drawn by seed, cue and image id."""
    return sorted(places.tolist(), key=lambda place: rank(roster.seed, cue, roster.ids[place]))
