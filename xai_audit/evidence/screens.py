"""The plan of who may carry each cue of a class, from tables alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from xai_audit.evidence.donors import confusable, least_similar, ordinary
from xai_audit.evidence.pairs import donor_from, other_than
from xai_audit.evidence.plan import MIN_IMAGES, Separation, owner
from xai_audit.evidence.rounds import PHOTOS, Screen, suspected
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

    def screens(self, name: str) -> list[Screen]:
        """The screens of class ``name`` in the order of the cues."""
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
            mine = [row for row in rows if row["method"] == self.method]
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
        counterpart = least_similar(likeness, plain)
        neutral = [*chain.from_iterable(pools[other] for other in counterpart)]
        order = confusable(roster.confusion.get(name, {}), others)[:_CLASSES]
        given = {}
        for other in order:
            third = [] if other in plain else neutral
            places = islice(_given(pools[other], third, roster.clusters), PHOTOS)
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

    def _by_id(self, name: str, values: Sequence[float]) -> dict[str, float]:
        roster = self.planning.roster
        ids = (roster.ids[place] for place in roster.places[name])
        return dict(zip(ids, values, strict=True))


def _given(
    theirs: list[int], neutral: Sequence[int], clusters: NDArray[np.int64]
) -> Iterator[tuple[int, int]]:
    """Places of a photo of another class and of its donor without the cue.

    That donor is of the photo's own class, or of a third where the cue is distinctive there: see
    :func:`~xai_audit.evidence.pairs.pull_pairs`.

    Args:
        theirs: places of the class's photos.
        neutral: of the donors that stand in for its own; none where its own may serve.
        clusters: (n,) number of the cluster of each place.
    """
    third = [place for place in neutral if place not in theirs]
    for number, image in enumerate(theirs):
        if third:
            yield image, donor_from(third, number, image, clusters)
        elif len(theirs) > 1:
            yield image, other_than(image, theirs, number, clusters)
