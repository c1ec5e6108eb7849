"""The plan of all transplants: one cell per class and cue, and one per class for all cues."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from xai_audit.evidence.added import added_cell
from xai_audit.evidence.own_share import photos_included, spared, with_whole
from xai_audit.evidence.plan import Roster, Separation, cell, owner
from xai_audit.evidence.readings import CueReading, SurveyTables
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
    """

    survey: SurveyTables
    names: Sequence[str]
    seed: int
    budget: int

    @cached_property
    def roster(self) -> Roster:
        """The photos of the survey, by class, and who is confused with whom."""
        confusion: dict[str, dict[str, float]] = {}
        for row in pq.read_table(self.survey.paths.confusion).to_pylist():
            confusion.setdefault(row["class_name"], {})[row["other_class"]] = row["photos"]
        return Roster(
            ids=self.survey.ids,
            classes=self.survey.classes,
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
        return found

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
