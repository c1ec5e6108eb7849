"""Which photo meets which donors: places in the survey, in the order in which they are spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# With this many photos of the most confusable classes, no further class is added.
PULLED = 16


def own_pairs(
    mine: list[int], givers: list[int], counterpart: list[str], pools: Mapping[str, list[int]]
) -> Iterator[tuple[int, int, int]]:
    """Places of a photo, the donor of its class and the one of another."""
    for place, image in enumerate(mine):
        theirs = pools[counterpart[place % len(counterpart)]]
        without = theirs[place // len(counterpart) % len(theirs)]
        yield image, other_than(image, givers, place), without


def pull_pairs(
    givers: list[int], rivals: Sequence[tuple[list[int], Sequence[int]]]
) -> Iterator[tuple[int, int, int]]:
    """Places of a photo of another class, the donor of the cell's class and one without its cue.

    That one is of the photo's own class, or of a third where the rival's cue is distinctive too:
    a rival that has a mark would lose it with either donor, so that the class is not accused of a
    mark that it lacks.

    Args:
        givers: places of donors of the cell's class.
        rivals: (places of a class's photos, places of the donors that stand in for its own; none
            where its own may serve), the most confusable class first.
    """
    count = 0
    for theirs, neutral in rivals:
        if len(theirs) < 2 and not neutral:
            continue
        # Pull is measured on the most confusable class, which may have few photos; those of the
        # next ones are only added up to a number that can decide.
        if count >= PULLED:
            return
        for place, image in enumerate(theirs):
            without = neutral[place % len(neutral)] if neutral else other_than(image, theirs, place)
            yield image, givers[count % len(givers)], without
            count += 1


def in_turn(classes: Sequence[tuple[Sequence[int], str]]) -> Iterator[tuple[int, str]]:
    """(place, class) of the first photo of each class, then of the second of each, ..."""
    for number in range(max((len(pool) for pool, _ in classes), default=0)):
        for pool, name in classes:
            if number < len(pool):
                yield pool[number], name


def other_than(image: int, donors: list[int], place: int) -> int:
    """A donor for the image in ``place`` other than the image itself; another one each round."""
    start = place + place // len(donors)
    turned = (donors[(start + step) % len(donors)] for step in range(len(donors)))
    return next(donor for donor in turned if donor != image)
