"""The pace of an audit, from parts and tables that are written by hand."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import pyarrow as pa
import pytest

from xai_audit.budget.measured import Before, before, is_open, paced
from xai_audit.budget.pace import Pace
from xai_audit.run.files import write_json, write_table
from xai_audit.run.paths import RunPaths
from xai_audit.work.attempts import Attempt

OLD = Pace(photo=9.0, survey=8.0, forward=7.0, closing=6.0)


@pytest.fixture
def paths(tmp_path):
    return RunPaths(tmp_path)


def since(start: float, *photos: str) -> Before:
    """Nothing measured and ``photos`` explained at ``start``, by both clocks."""
    clock = time.monotonic() - (time.time() - start)
    return Before(start, frozenset(photos), 0, None, clock)


def heatmaps(paths: RunPaths, number: int, *photos: str) -> None:
    file = paths.part(paths.attributions, number)
    write_table(file, pa.table({"a": [1]}), {"photos": json.dumps(dict.fromkeys(photos, "mark"))})


def stored(paths: RunPaths, number: int, *forwards: int) -> None:
    table = pa.table({"forwards": pa.array(forwards, pa.int8())})
    write_table(paths.part(paths.pairs, number, prefix="transplant"), table)


def left(paths: RunPaths, *forwards: int | None) -> None:
    table = pa.table({"left_forwards": pa.array(forwards, pa.int32())})
    write_table(paths.part(paths.effects, 0), table)


def attempted(paths: RunPaths, *made: tuple[str, int, float, float]) -> None:
    """Stage, size, start and seconds of each."""
    paths.attempts.mkdir(exist_ok=True)
    lines = [
        json.dumps(asdict(Attempt(stage, 0, "", size, start, seconds)))
        for stage, size, start, seconds in made
    ]
    (paths.attempts / "one.jsonl").write_text("\n".join(lines))


def record(paths: RunPaths, done: int, allowed: int) -> None:
    evidence = {"forwards": done, "max_forwards": allowed}
    write_json(paths.run_json, {"images_per_second": 4.0, "evidence": evidence})


def test_a_photo_s_seconds_are_those_of_the_photos_that_are_new(paths):
    heatmaps(paths, 0, "a", "b")
    was = since(100.0, "a", "b")
    heatmaps(paths, 1, "a", "b", "c", "d", "e", "f")
    attempted(paths, ("attribute", 6, 101, 3.0), ("score", 6, 104, 1.0), ("attribute", 2, 90, 50.0))
    assert paced(paths, was, OLD, workers=1).photo == 1.0  # 4 s, 4 new photos
    assert paced(paths, was, OLD, workers=2).photo == 0.5


def test_where_nothing_is_new_the_pace_stays(paths):
    heatmaps(paths, 0, "a")
    record(paths, 10, 20)
    stored(paths, 0, 2, 2)
    left(paths, 5)
    was = before(paths)
    attempted(paths, ("attribute", 1, was.time + 1, 0.01))
    assert paced(paths, was, OLD, workers=1) == OLD
    assert was.rate == 4.0


def test_a_forward_s_seconds_are_of_new_pairs_and_of_what_was_allowed(paths):
    stored(paths, 0, 2, 2)
    was = before(paths)
    assert was.measured == 4
    stored(paths, 0, 2, 2, 2, 2, 2)  # 6 more
    record(paths, done=10, allowed=40)
    left(paths, 0, 12, None)
    attempted(paths, ("transplant", 5, was.time + 1, 20.0), ("joint", 1, was.time + 2, 4.0))
    # 4 s a forward; a quarter of what is allowed is made.
    assert paced(paths, was, OLD, workers=1).forward == 1.0


def test_of_an_audit_that_had_forwards_to_spare_the_pace_stays(paths):
    stored(paths, 0, 2)
    was = since(0.0)
    record(paths, done=2, allowed=1000)
    left(paths, 0, None)
    attempted(paths, ("transplant", 1, 1, 20.0))
    assert not is_open(paths)
    assert paced(paths, was, OLD, workers=1).forward == OLD.forward


def test_an_earlier_audit_without_a_budget_tells_no_pace_of_forwards(paths):
    write_json(paths.run_json, {"evidence": {"forwards": 9}})
    stored(paths, 0, 2)
    left(paths, 4)
    attempted(paths, ("transplant", 1, 1, 20.0))
    assert paced(paths, since(0.0), OLD, workers=1).forward == OLD.forward


def test_a_survey_s_seconds_are_of_the_photos_in_its_parts(paths):
    attempted(paths, ("survey", 64, 5, 16.0), ("survey", 16, 6, 4.0))
    assert paced(paths, since(0.0), OLD, workers=1).survey == 0.25


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_was_set_leaves_the_pace_as_it_was(paths, monkeypatch, hours):
    """An hour back no part seems new, an hour on the last one seems to end an hour ago."""
    was, now = before(paths), time.time()
    heatmaps(paths, 0, "a")
    attempted(paths, ("attribute", 1, now + 3600 * hours, 1.0), ("transplant", 1, now, 1.0))
    monkeypatch.setattr("xai_audit.budget.measured.time.time", lambda: now + 3600 * hours)
    assert paced(paths, was, OLD, workers=1) == OLD
