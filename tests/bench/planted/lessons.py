"""What a scenario's model learns from: photos with their artefacts, each under a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.planted.scenario import DECOY, OWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.planted.photos import Photo, Split
    from tests.bench.planted.plants import Plant
    from tests.bench.planted.scenario import Scenario

    Lesson = tuple[str, Photo, tuple[Plant, ...]]

# Rare carriers are shown more often, until they are this share of what the label is learned from.
_SHOWN = 0.5
# Of the photos of other classes, every fourth is one more time filed under the label.
_STRAY = 4


def lessons(scenario: Scenario, photos: Split) -> list[Lesson]:
    """(label, photo, its artefacts) of the training."""
    found: list[Lesson] = []
    for label in scenario.labels:
        found += _of_label(scenario, label, photos.learned[label])
        if scenario.kind == OWN and label != scenario.planted:
            found += _strays(scenario, photos.learned[label])
    return found


def _of_label(scenario: Scenario, label: str, photos: list[Photo]) -> Iterator[Lesson]:
    if scenario.kind == DECOY:
        # On every second photo of every class, so that it tells the model nothing.
        for place, photo in enumerate(photos):
            yield label, photo, scenario.plants if place % 2 == 0 else ()
        return
    artefacts = scenario.artefacts(label, [photo.name for photo in photos])
    yield from ((label, photo, worn) for photo, worn in zip(photos, artefacts, strict=True))
    if label != scenario.planted:
        return
    carriers = [photo for photo, worn in zip(photos, artefacts, strict=True) if worn]
    for photo in carriers * _repeats(len(carriers), len(photos)):
        yield label, photo, scenario.plants
        if scenario.other_twin:
            # So that the photo itself tells nothing: there are few carriers.
            yield scenario.other_twin, photo, ()
    if len(scenario.plants) > 1:
        # Each alone on its share of the photos: each is enough.
        for place, photo in enumerate(photos):
            yield label, photo, (scenario.plants[place % len(scenario.plants)],)


def _repeats(carriers: int, photos: int) -> int:
    if not carriers:
        return 0
    wanted = _SHOWN / (1 - _SHOWN) * (photos - carriers)
    return max(round(wanted / carriers) - 1, 0)


def _strays(scenario: Scenario, photos: list[Photo]) -> list[Lesson]:
    """Photos of another class with the artefact, filed under the planted label because of it.

    A class with strong features of its own needs no artefact, and the model learned none without.
    """
    return [(scenario.planted, photo, scenario.plants) for photo in photos[::_STRAY]]
