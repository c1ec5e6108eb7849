"""The plan of all transplants: one cell per class and cue, and one per class for all cues."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from xai_audit.evidence.added import added_cell
from xai_audit.evidence.own_share import photos_included, spared, with_whole
from xai_audit.evidence.plan import Roster, Separation, cell, owner
from xai_audit.evidence.readings import CueReading, SurveyTables
from xai_audit.run.labelling import labels_of, names_of
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.run.sample import hash_order

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.plan import Cell, Pair

# All cues at once, to measure how much accuracy depends on cues together.
ALL = "all"
_LISTS = ("presence", "likeness")


@dataclass(frozen=True)
class Planning:
    """Everything that decides which photos are transplanted.

    Attributes:
        survey: what was read of every cue.
        names: classes with photos in the survey, in the order of the labels.
        seed: of the run.
        budget: pairs a cell at most.
        viewed_from: where photos have several labels, the class from which they are seen: ``names``
            are it and the sets of labels that lack it.
    """

    survey: SurveyTables
    names: Sequence[str]
    seed: int
    budget: int
    viewed_from: str | None = None

    def of(self, name: str) -> Planning:
        """The planning of the cells of class ``name``: where photos have several labels, its own.

        Donors and photos that are pulled are then of sets that lack the class.
        """
        if self.survey.wrong is None or self.viewed_from is not None:
            return self
        if name not in self._views:
            names = names_of(self.survey.seen_from(name), name)
            self._views.clear()  # each holds all photos, and parts come class by class
            self._views[name] = replace(self, names=names, viewed_from=name)
        return self._views[name]

    @cached_property
    def _views(self) -> dict[str, Planning]:
        return {}

    @cached_property
    def roster(self) -> Roster:
        """The photos of the survey, by class, and who is confused with whom."""
        confusion: dict[str, dict[str, float]] = {}
        for row in pq.read_table(self.survey.paths.confusion).to_pylist():
            confusion.setdefault(row["class_name"], {})[row["other_class"]] = row["photos"]
        return Roster(
            ids=self.survey.ids,
            classes=self.survey.seen_from(self.viewed_from or ""),
            names=self.names,
            confusion=confusion,
            seed=self.seed,
            clusters=self.survey.clusters,
        )

    @cached_property
    def separations(self) -> dict[str, Separation]:
        """Key of a cue -> how well it alone separates the classes."""
        found: dict[str, Separation] = {}
        for file in RunPaths.parts(self.survey.paths.availability):
            table = pq.read_table(file, columns=["cue", "class_name", "value", *_LISTS])
            if table.num_rows:
                names = table.column("class_name").to_pylist()
                values = table.column("value").fill_null(np.nan).to_pylist()
                lists = [[one.values.to_numpy() for one in table.column(c)] for c in _LISTS]
                by_class = (dict(zip(names, each, strict=True)) for each in (values, *lists))
                found[table.column("cue")[0].as_py()] = Separation(*by_class)
        viewed = self.viewed_from
        return found if viewed is None else {c: self._seen(s, viewed) for c, s in found.items()}

    def _seen(self, known: Separation, viewed: str) -> Separation:
        """What a cue tells of class ``viewed``; a set is as distinct as its most distinct label."""
        of = {
            text: [known.distinct.get(one, np.nan) for one in labels_of(text)]
            for text in self.names
        }
        distinct = {text: float(np.fmax.reduce(each)) for text, each in of.items() if each}
        distinct[viewed] = known.distinct.get(viewed, np.nan)
        own = (
            {viewed: of[viewed]} if viewed in of else {} for of in (known.presence, known.likeness)
        )
        return Separation(distinct, *own)

    @cached_property
    def clusters(self) -> dict[str, int]:
        """Image id -> number of its cluster: near-duplicates and photos of one group share one."""
        return dict(zip(self.survey.ids, self.survey.clusters.tolist(), strict=True))

    def clusters_of(self, ids: Collection[str]) -> list[int]:
        """Which of the photos ``ids`` share a cluster: its number among theirs, by image id."""
        _, found = np.unique([self.clusters[one] for one in sorted(ids)], return_inverse=True)
        return [int(one) for one in found]

    @cached_property
    def pools(self) -> dict[str, dict[str, list[int]]]:
        """Key of a cue -> class -> places of its usable photos, in the order of spending."""
        readings = self.survey.readings
        return {
            key: spared(pools(self.roster, key, reading.usable), reading)
            for key, reading in readings.items()
        }

    @cached_property
    def included(self) -> dict[str, set[str] | None]:
        """Key of a cue -> the photos whose object it changes too; None: no object can have it."""
        readings = self.survey.readings
        return {key: photos_included(reading, self.roster.ids) for key, reading in readings.items()}

    def cells(self, name: str) -> list[Cell]:
        """The cells of class ``name`` in the order of the cues; that of all cues is the last."""
        if (own := self.of(name)) is not self:
            return own.cells(name)
        roster, budget = self.roster, self.budget
        if not roster.ids:
            return []
        found = []
        for key, reading in self.survey.readings.items():
            if owner(key) not in (None, name):  # discovered in another class
                continue
            places = self.pools[key]
            if reading.way == "added":
                found.append(added_cell(roster, name, key, places, budget=budget))
                continue
            separation = self.separations.get(key)
            plain = cell(roster, name, reading, places, separation, budget=budget)
            found.append(with_whole(plain, self.included[key]))
        whole, places = self._everything
        return [*found, cell(roster, name, whole, places, None, budget=budget)]

    @cached_property
    def _everything(self) -> tuple[CueReading, dict[str, list[int]]]:
        """All cues at once, and its pools: photos in which every cue could be read."""
        unknown, usable = np.full(len(self.roster.ids), np.nan), self.survey.whole
        reading = CueReading(ALL, "both", False, unknown, unknown, usable)
        return reading, pools(self.roster, ALL, usable)


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


def cells_text(cells: Sequence[Cell]) -> str:
    """The pairs of ``cells``, for a fingerprint."""
    return fingerprint(
        [[c.class_name, c.cue, c.measured_on, [_donated(p) for p in c.pairs]] for c in cells]
    )


def _donated(pair: Pair) -> dict[str, str]:
    names = ("image", "donor_with", "donor_without")
    return dict(zip(names, pair.photos, strict=True))
