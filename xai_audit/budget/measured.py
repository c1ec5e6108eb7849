"""What an audit has just taken, a photo and a forward, by what its parts and tables say."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.attribute.kept import explained
from xai_audit.run.files import read_json
from xai_audit.run.paths import RunPaths
from xai_audit.work.attempts import read_attempts

if TYPE_CHECKING:
    from collections.abc import Collection

    from xai_audit.budget.pace import Pace
    from xai_audit.work.attempts import Attempt

_PHOTO = ("mask", "attribute", "score")
_TRANSPLANTS = ("transplant", "carriers", "joint")
# Seconds, and share of the time, that a clock may be adjusted by without having been set.
_DRIFT = 2.0, 1e-3
_INSTANT = 1e-4  # seconds: nothing takes less, and nothing is divided by 0


@dataclass(frozen=True)
class Before:
    """What there was before an audit.

    Attributes:
        time: when, seconds since 1970.
        explained: ids of the photos that have heatmaps.
        measured: forwards of the pairs that are stored.
        rate: photos a second of the last main pass, None where there was none.
        clock: when, by a clock that nobody sets, seconds.
    """

    time: float
    explained: frozenset[str]
    measured: int
    rate: float | None
    clock: float

    @property
    def is_in_step(self) -> bool:
        """Whether the clock of this machine has only gone on since then, as far as can be told."""
        passed = time.monotonic() - self.clock
        return abs(time.time() - self.time - passed) < _DRIFT[0] + _DRIFT[1] * passed


def before(paths: RunPaths) -> Before:
    """What there is now."""
    record = read_json(paths.run_json)
    rate = record.get("images_per_second") if isinstance(record, dict) else None
    return Before(time.time(), explained(paths), _measured(paths), rate, time.monotonic())


def paced(paths: RunPaths, was: Before, pace: Pace, *, workers: int) -> Pace:
    """``pace`` by what was done since ``was``; of what was not done it stays.

    It stays too where the clock was set meanwhile: what was done since then is not known.

    Args:
        paths: of the run, its audit just ended.
        was: before it.
        pace: until then.
        workers: that made parts side by side.
    """
    if not was.is_in_step:
        return pace
    made = [one for one in read_attempts(paths) if one.is_made and one.start >= was.time]
    photos = len(explained(paths) - was.explained)
    surveyed = sum(one.size for one in made if one.stage == "survey")
    forwards = _measured(paths) - was.measured
    if photos:
        pace = replace(pace, photo=max(_seconds(made, _PHOTO) / workers / photos, _INSTANT))
    if surveyed:
        seconds = _seconds(made, ("survey",)) / workers / surveyed
        pace = replace(pace, survey=max(seconds, _INSTANT))
    if forwards > 0 and (used := _used(paths)) is not None:
        seconds = _seconds(made, _TRANSPLANTS) / workers / forwards
        pace = replace(pace, forward=max(seconds * used, _INSTANT))
    if ends := [one.end for one in made if one.stage in _TRANSPLANTS]:
        pace = replace(pace, closing=max(time.time() - max(ends), _INSTANT))
    return pace


def is_open(paths: RunPaths) -> bool:
    """Whether the budget of forwards left out pairs of the photos that there are."""
    files = RunPaths.parts(paths.effects)
    tables = (pq.read_table(file, columns=["left_forwards"]) for file in files)
    return any((pc.sum(table["left_forwards"]).as_py() or 0) > 0 for table in tables)


def _seconds(made: Collection[Attempt], stages: Collection[str]) -> float:
    return sum(one.seconds or 0.0 for one in made if one.stage in stages)


def _measured(paths: RunPaths) -> int:
    tables = (pq.read_table(f, columns=["forwards"]) for f in paths.pairs.glob("*.parquet"))
    return sum(pc.sum(table["forwards"]).as_py() or 0 for table in tables)


def _used(paths: RunPaths) -> float | None:
    """The forwards that were made, as a share of those allowed; None where all were that can be."""
    noted = (read_json(paths.run_json) or {}).get("evidence", {})
    allowed = noted.get("max_forwards")  # none of an audit without a budget
    return noted["forwards"] / allowed if allowed and is_open(paths) else None
