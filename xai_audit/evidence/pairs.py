"""Which photo meets which donors: places in the survey, in the order in which they are spent.

A photo takes no donor of its own cluster (a near-duplicate, a photo of the same site or patient)
where there is another, and donors are taken from the clusters in turn, so that one site of 60
photos does not outweigh six of 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

# With this many photos of the most confusable classes, no further class is added.
PULLED = 16


def own_pairs(
    mine: list[int],
    givers: list[int],
    counterpart: list[str],
    pools: Mapping[str, list[int]],
    clusters: NDArray[np.int64],
) -> Iterator[tuple[int, int, int]]:
    """Places of a photo, the donor of its class and the one of another.

    Args:
        mine: the photos.
        givers: donors of their class.
        counterpart: classes of the other donors.
        pools: class -> places of its usable photos.
        clusters: (n,) number of the cluster of each place.
    """
    # Where one site shows the cue best, its photos take donors of the class's other sites.
    several = len({*clusters[givers].tolist()}) > 1
    givers = in_turn(givers if several else mine, clusters)
    others = {name: in_turn(pools[name], clusters) for name in counterpart}
    for place, image in enumerate(mine):
        theirs = others[counterpart[place % len(counterpart)]]
        without = donor_from(theirs, place // len(counterpart), image, clusters)
        yield image, other_than(image, givers, place, clusters), without


def pull_pairs(
    givers: list[int],
    rivals: Iterable[tuple[list[int], Sequence[int]]],
    clusters: NDArray[np.int64],
) -> Iterator[tuple[int, int, int]]:
    """Places of a photo of another class, the donor of the cell's class and one without its cue.

    That one is of the photo's own class, or of a third where the rival's cue is distinctive too:
    a rival that has a mark would lose it with either donor, so that the class is not accused of a
    mark that it lacks.

    Args:
        givers: places of donors of the cell's class.
        rivals: (places of a class's photos, places of the donors that stand in for its own; none
            where its own may serve), the most confusable class first.
        clusters: (n,) number of the cluster of each place.
    """
    count, givers = 0, in_turn(givers, clusters)
    for theirs, neutral in rivals:
        third = in_turn(neutral, clusters)
        if len(theirs) < 2 and not third:
            continue
        # Pull is measured on the most confusable class, which may have few photos; those of the
        # next ones are only added up to a number that can decide.
        if count >= PULLED:
            return
        donors = in_turn(theirs, clusters)
        for place, image in enumerate(theirs):
            if third:
                without = donor_from(third, place, image, clusters)
            else:
                without = other_than(image, donors, place, clusters)
            yield image, donor_from(givers, count, image, clusters), without
            count += 1


def by_class_in_turn(classes: Sequence[tuple[Sequence[int], str]]) -> Iterator[tuple[int, str]]:
    """(place, class) of the first photo of each class, then of the second of each, ..."""
    for number in range(max((len(pool) for pool, _ in classes), default=0)):
        for pool, name in classes:
            if number < len(pool):
                yield pool[number], name


def in_turn(pool: Sequence[int], clusters: NDArray[np.int64]) -> list[int]:
    """A photo of each cluster, then another one of each, as often as the largest has photos.

    The pool itself where each photo is a cluster of its own.
    """
    members: dict[int, list[int]] = {}
    for place in pool:
        members.setdefault(int(clusters[place]), []).append(place)
    rounds = range(max(map(len, members.values()), default=0))
    return [each[number % len(each)] for number in rounds for each in members.values()]


def donor_from(donors: list[int], start: int, image: int, clusters: NDArray[np.int64]) -> int:
    """The first donor from ``start`` on that is not of the image's cluster, else that there."""
    turned = (donors[(start + step) % len(donors)] for step in range(len(donors)))
    first = donors[start % len(donors)]
    return next((donor for donor in turned if clusters[donor] != clusters[image]), first)


def other_than(image: int, donors: list[int], place: int, clusters: NDArray[np.int64]) -> int:
    """A donor for the image in ``place`` of another cluster, else another image.

    Each round another one.
    """
    start = place + place // len(donors)
    found = donor_from(donors, start, image, clusters)
    if found != image:
        return found
    turned = (donors[(start + step) % len(donors)] for step in range(len(donors)))
    return next(donor for donor in turned if donor != image)
