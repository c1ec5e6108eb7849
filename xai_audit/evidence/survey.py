"""The first pass: what the data offers and what the model looks at, for every cue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.evidence.attention import Attention, attention
from xai_audit.evidence.availability import Availability, availability
from xai_audit.evidence.heatmaps import Predictions, predictions, shares
from xai_audit.evidence.near import near_groups
from xai_audit.evidence.plan import Roster
from xai_audit.evidence.read import Readings, read
from xai_audit.schema import PREFERRED_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xai_audit.run.paths import RunPaths
    from xai_audit.types import Cue
    from xai_audit.vision.canvas import Source


@dataclass(frozen=True)
class Subjects:
    """The images that questions are asked about, and their classes.

    Attributes:
        ids: image ids of the usable rows.
        classes: their class names.
        labels: class name -> model output.
        sampled: the rows that are read.
        permutations: of the labels, for the p-value of availability.
        seed: of the run.
    """

    ids: Sequence[str]
    classes: Sequence[str]
    labels: Mapping[str, int]
    sampled: Sequence[int]
    permutations: int
    seed: int


@dataclass(frozen=True)
class Survey:
    """What the first pass found.

    Attributes:
        readings: of the cues.
        roster: who was read.
        seen: what the model says of the photos as they are.
        available: by cue; cues without descriptors are absent.
        attended: (method, target kind, cue) -> class -> what was found.
    """

    readings: Readings
    roster: Roster
    seen: Predictions
    available: dict[str, Availability]
    attended: dict[tuple[str, str, str], dict[str, Attention]]

    def usable_rows(self) -> dict[str, set[int]]:
        """Cue -> the rows of the photos that can take and give it."""
        rows = self.readings.rows
        return {key: set(rows[read.usable].tolist()) for key, read in self.readings.cues.items()}

    def kinds(self, methods: Sequence[str]) -> dict[str, str]:
        """Method -> the target kind that its attention is about: the margin where there is one."""
        found = {(method, kind) for method, kind, _ in self.attended}
        return {m: next((k for k in PREFERRED_KINDS if (m, k) in found), "label") for m in methods}


def survey(
    source: Source,
    cues: Sequence[Cue],
    subjects: Subjects,
    paths: RunPaths,
    *,
    grid: tuple[int, int],
    progress: Callable[[int], None],
) -> Survey:
    """Read the sampled photos and the tables of the run.

    Args:
        source: of canvases.
        cues: to read.
        subjects: who is asked about.
        paths: of the run.
        grid: (h, w) of the heatmaps.
        progress: called with the number of photos just read; may raise to stop.
    """
    readings = read(source, cues, subjects.sampled, grid=grid, progress=progress)
    rows = readings.rows.tolist()
    classes = np.array([subjects.classes[row] for row in rows], dtype=str)
    ids = [subjects.ids[row] for row in rows]
    seen = predictions(paths, ids, {index: name for name, index in subjects.labels.items()})
    roster = Roster(
        rows=readings.rows,
        ids=ids,
        classes=classes,
        names=[name for name in subjects.labels if (classes == name).any()],
        confusion=seen.confusion,
        seed=subjects.seed,
    )
    return Survey(
        readings=readings,
        roster=roster,
        seen=seen,
        available=_available(readings, roster, subjects.permutations, progress),
        attended=_attended(readings, roster, paths, size=source.preprocess.crop, grid=grid),
    )


def _available(
    readings: Readings, roster: Roster, permutations: int, progress: Callable[[int], None]
) -> dict[str, Availability]:
    near = near_groups(readings.hashes)
    found = {}
    for name, reading in readings.cues.items():
        progress(0)
        if reading.descriptors is not None:
            found[name] = availability(
                reading.descriptors,
                roster.classes,
                near,
                classes=roster.names,
                permutations=permutations,
                seed=roster.seed,
            )
    return found


def _attended(
    readings: Readings,
    roster: Roster,
    paths: RunPaths,
    *,
    size: tuple[int, int],
    grid: tuple[int, int],
) -> dict[tuple[str, str, str], dict[str, Attention]]:
    return {
        (found.method, found.kind, name): attention(
            found.maps,
            reading.regions,
            reading.areas,
            roster.classes,
            classes=roster.names,
            seed=roster.seed,
        )
        for found in shares(paths, roster.ids, grid=grid, size=size)
        for name, reading in readings.cues.items()
        if reading.regions is not None
    }
