"""The plan of all transplants: one cell per class and cue, and one per class for all cues."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from xai_audit.evidence.plan import Known, Roster, cell, owner, pools
from xai_audit.evidence.readings import CueReading, SurveyTables
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.plan import Cell

# All cues at once, to measure how much accuracy depends on cues together.
ALL = "all"


@dataclass(frozen=True)
class Separation:
    """How well one cue separates the classes, by the cue-only classifier.

    Attributes:
        distinct: class -> AUROC; NaN where unknown.
        presence: class -> (n,) cross-validated score of each photo; NaN unknown.
    """

    distinct: Mapping[str, float]
    presence: Mapping[str, NDArray[np.float64]]


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
        )

    @cached_property
    def _separations(self) -> dict[str, Separation]:
        found: dict[str, Separation] = {}
        for file in RunPaths.parts(self.survey.paths.availability):
            table = pq.read_table(file, columns=["cue", "class_name", "value", "presence"])
            if table.num_rows:
                names = table.column("class_name").to_pylist()
                presence = table.column("presence").combine_chunks()
                scores = presence.flatten().to_numpy().reshape(len(names), -1)
                values = table.column("value").fill_null(np.nan).to_pylist()
                found[table.column("cue")[0].as_py()] = Separation(
                    dict(zip(names, values, strict=True)), dict(zip(names, scores, strict=True))
                )
        return found

    @cached_property
    def pools(self) -> dict[str, dict[str, list[int]]]:
        """Key of a cue -> class -> places of its usable photos, in the order of spending."""
        readings = self.survey.readings
        return {key: pools(self.roster, key, reading.usable) for key, reading in readings.items()}

    def cells(self, name: str) -> list[Cell]:
        """The cells of class ``name`` in the order of the cues; that of all cues is the last."""
        if not self.roster.ids:
            return []
        unknown = np.full(len(self.roster.ids), np.nan)
        found = []
        for key, reading in self.survey.readings.items():
            if owner(key) not in (None, name):  # discovered in another class
                continue
            separation = self._separations.get(key)
            known = Known(
                cue=key,
                way=self.survey.cues[key][0],
                reading=reading,
                pools=self.pools[key],
                distinct={} if separation is None else separation.distinct,
                presence=unknown if separation is None else separation.presence[name],
            )
            found.append(cell(self.roster, name, known, budget=self.budget))
        return [*found, cell(self.roster, name, self._everything, budget=self.budget)]

    @cached_property
    def _everything(self) -> Known:
        """All cues at once: every photo can take and give them."""
        count = len(self.roster.ids)
        unknown, usable = np.full(count, np.nan), np.ones(count, dtype=bool)
        whole = CueReading(unknown, unknown, usable, needs_mask=False)
        return Known(ALL, "both", whole, pools(self.roster, ALL, usable), {}, unknown)


def cells_text(cells: Sequence[Cell]) -> str:
    """The pairs of ``cells``, for a fingerprint."""
    return fingerprint(
        [
            [c.class_name, c.cue, c.measured_on, [vars(p) for p in (*c.reliance, *c.pull)]]
            for c in cells
        ]
    )
