"""The plan of who may carry each cue of a class, from tables alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from xai_audit.evidence.donors import confusable, least_similar, ordinary
from xai_audit.evidence.pairs import other_than
from xai_audit.evidence.plan import MIN_IMAGES, Separation, owner
from xai_audit.evidence.rounds import FOUND_ON, PHOTOS, Screen, suspected
from xai_audit.run.paths import RunPaths
from xai_audit.run.verdicts import preferred_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.cells import Planning

_WAYS = ("both", "down")  # what is put on for a test nobody carries; the file cannot be given
_UNKNOWN = Separation({}, {}, {})
_WITHOUT = 12
_CLASSES = 8  # so many of the most confusable get the cue; bounds the plan's memory

# Key of a cue -> class -> image id -> value.
Values = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Screening:
    """Everything that decides whose cues are given to whom, to find carriers.

    Attributes:
        planning: of the transplants.
        method: whose heatmaps say where to look first.
    """

    planning: Planning
    method: str

    def of(self, name: str) -> Screening:
        """That of class ``name``: where photos have several labels, as it sees them."""
        planning = self.planning.of(name)
        return self if planning is self.planning else Screening(planning, self.method)

    def screens(self, name: str) -> list[Screen]:
        """The screens of class ``name`` in the order of the cues."""
        if (own := self.of(name)) is not self:
            return own.screens(name)
        found = [
            self._screen(name, key)
            for key, reading in self.planning.survey.readings.items()
            if reading.way in _WAYS
            and owner(key) in (None, name)
            and len(self.planning.pools[key][name]) >= MIN_IMAGES
        ]
        return [screen for screen in found if screen.recipients]

    @cached_property
    def presence(self) -> Values:
        """How much the cue of each photo looks like its class's; NaN unknown."""
        return {
            key: {name: self._by_id(name, scores.tolist()) for name, scores in of.presence.items()}
            for key, of in self.planning.separations.items()
        }

    @cached_property
    def masses(self) -> Values:
        """Share of each photo's relevance in the region of the cue, of the margin if explained."""
        found: Values = {}
        columns = ["cue", "class_name", "method", "target_kind", "masses"]
        for file in RunPaths.parts(self.planning.survey.paths.attention):
            rows = pq.read_table(file, columns=columns).to_pylist()
            mine = [r for r in rows if r["method"] == self.method and self._sees(r["class_name"])]
            kinds = {row["target_kind"] for row in mine}
            for row in mine:
                if row["target_kind"] == (preferred_kind(kinds) or min(kinds)):
                    values = [np.nan if mass is None else mass for mass in row["masses"]]
                    by_id = self._by_id(row["class_name"], values)
                    found.setdefault(row["cue"], {})[row["class_name"]] = by_id
        return found

    def _screen(self, name: str, key: str) -> Screen:
        roster, pools = self.planning.roster, self.planning.pools[key]
        known = self.planning.separations.get(key, _UNKNOWN)
        others = [other for other in roster.names if other != name and pools[other]]
        plain = ordinary(name, others, known.distinct)
        values = known.likeness.get(name)
        likeness = {} if values is None else dict(zip(roster.names, values.tolist(), strict=True))
        neutral = [*chain.from_iterable(pools[other] for other in least_similar(likeness, plain))]
        order = confusable(roster.confusion.get(name, {}), others)[:_CLASSES]
        given = {}
        for other in order:
            theirs = _recognised_first(pools[other], self._correct)
            places = islice(_given(theirs, roster.clusters), PHOTOS)
            given[other] = tuple((roster.ids[image], roster.ids[donor]) for image, donor in places)
        donors = [roster.ids[place] for place in pools[name]]
        masses, presence = (of.get(key, {}).get(name, {}) for of in (self.masses, self.presence))
        return Screen(
            class_name=name,
            cue=key,
            donors=tuple(suspected(donors, masses, presence)),
            recipients={other: photos for other, photos in given.items() if photos},
            without=tuple(roster.ids[place] for place in neutral[:_WITHOUT]),
        )

    def _sees(self, name: str) -> bool:
        return self.planning.viewed_from in (None, name)

    @cached_property
    def _correct(self) -> list[bool]:
        right = self.planning.survey.correct(self.planning.viewed_from or "")
        found: list[bool] = right.tolist()
        return found

    def _by_id(self, name: str, values: Sequence[float]) -> dict[str, float]:
        roster = self.planning.roster
        ids = (roster.ids[place] for place in roster.places[name])
        return dict(zip(ids, values, strict=True))


def _recognised_first(places: list[int], correct: Sequence[bool]) -> list[int]:
    """The places, first a few of photos that the model recognises.

    A photo that it takes for the class already cannot show what turns a photo into the class. Only
    the first, that find carriers: the effect is measured on photos as they come.
    """
    first = [place for place in places if correct[place]][:FOUND_ON]
    return [*first, *(place for place in places if place not in first)]


def _given(theirs: list[int], clusters: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Places of a photo of another class and of its donor without the cue, another of that class.

    Args:
        theirs: places of the class's photos.
        clusters: (n,) number of the cluster of each place.
    """
    for number, image in enumerate(theirs):
        if len(theirs) > 1:
            yield image, other_than(image, theirs, number, clusters)
