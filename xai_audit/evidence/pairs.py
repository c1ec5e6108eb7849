"""Which photo meets which donors: places in the survey, in the order in which they are spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# With this many photos of the most confusable classes, no further class is added.
PULLED = 16


def own_pairs(
    mine: list[int], givers: list[int], counterpart: list[str], pools: Mapping[str, list[int]]
) -> Iterator[tuple[int, int, int]]:
    """Places of a photo, the donor of its class and the one of another."""
    for place, image in enumerate(mine):
        theirs = pools[counterpart[place % len(counterpart)]]
        without = theirs[place // len(counterpart) % len(theirs)]
        yield image, _other_than(image, givers, place), without


def pull_pairs(
    givers: list[int], rivals: list[str], pools: Mapping[str, list[int]]
) -> Iterator[tuple[int, int, int]]:
    """Places of a photo of another class, the donor of the cell's class and the one of its own."""
    count = 0
    for rival in rivals:
        theirs = pools[rival]
        if len(theirs) < 2:
            continue
        # Pull is measured on the most confusable class, which may have few photos; those of the
        # next ones are only added up to a number that can decide.
        if count >= PULLED:
            return
        for place, image in enumerate(theirs):
            yield image, givers[count % len(givers)], _other_than(image, theirs, place)
            count += 1


def _other_than(image: int, donors: list[int], place: int) -> int:
    """A donor for the image in ``place`` other than the image itself; another one each round."""
    start = place + place // len(donors)
    turned = (donors[(start + step) % len(donors)] for step in range(len(donors)))
    return next(donor for donor in turned if donor != image)
