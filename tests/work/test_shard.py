"""``shard=i/n``: processes that another scheduler starts make the parts that a driver planned."""

from __future__ import annotations

import re

import pytest

from tests import tiny
from tests.work.processes import arguments
from tests.work.test_workers import part_files, same_tables
from xai_audit.errors import ConfigError, WaitingError, spans
from xai_audit.work.shard import Share
from xai_audit.work.stage import Part

ELSEWHERE = "engine.workers=0"


def test_shares_make_what_one_process_makes(folder, whole, tmp_path):
    """Plan and merge here, parts in two processes, in turns, until nothing is left."""
    out, waited = tmp_path / "out", []
    for _ in range(20):
        done = tiny.audit(arguments(folder, out, ELSEWHERE))
        assert done.returncode == 0, done.stderr
        waits = re.search(r"(\d+) of (\d+) parts of (\w+) are left to other processes", done.stderr)
        if waits is None:
            break
        assert waits[1] == waits[2]
        waited.append(waits[3])
        for number in range(2):
            made = tiny.audit(arguments(folder, out, f"shard={number}/2"))
            assert made.returncode == 0, made.stderr
    assert (out / "SUCCESS").is_file()
    assert len(waited) == len({*waited})
    assert {"index", "attribute", "trust", "transplant", "adversarial", "gallery"} <= {*waited}
    same_tables(out, whole)
    assert part_files(out) == part_files(whole)


def test_a_share_is_done_once_and_the_rest_is_named(folder, tmp_path):
    out = tmp_path / "out"
    small = arguments(folder, out, "stages=[index,attribute,score]", "compute.part_size=4")
    assert tiny.audit([*small, "stages=[index]"]).returncode == 0
    assert tiny.audit([*small, ELSEWHERE]).returncode == 0
    parts = out / "attributions"
    first = tiny.audit([*small, "shard=0/2"])
    made = {path: path.stat().st_mtime_ns for path in parts.glob("*.parquet")}
    assert f"shard 0/2: {len(made)} of its {len(made)} parts of attribute made" in first.stderr
    again = tiny.audit([*small, "shard=0/2"])
    assert "no stage waits for parts of this share" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in parts.glob("*.parquet")} == made
    waiting = tiny.audit([*small, ELSEWHERE])
    assert waiting.returncode == 0
    assert "missing 1,3" in waiting.stderr
    # Another n deals out what is missing; then the command alone merges.
    assert tiny.audit([*small, "shard=1/2"]).returncode == 0
    assert tiny.audit(small).returncode == 0


def test_a_share_of_another_command_is_refused(folder, tmp_path):
    out = tmp_path / "out"
    alone = tiny.audit(arguments(folder, out, "shard=0/2"))
    assert alone.returncode == 2
    assert "no plan yet" in alone.stderr
    assert tiny.audit(arguments(folder, out, ELSEWHERE)).returncode == 0
    other = tiny.audit(arguments(folder, out, "shard=0/2", "seed=7"))
    assert other.returncode == 2
    assert "the plan is of another command" in other.stderr
    assert "seed=" in other.stderr


@pytest.mark.parametrize("text", ["3/3", "x", "1", "-1/2", "0/0"])
def test_a_share_that_is_none_is_one_line(text):
    with pytest.raises(ConfigError, match="i/n with i from 0 to n - 1"):
        Share.parsed(text)


def test_shares_hold_every_part_once():
    parts = [Part(number, "") for number in range(11)]
    shares = [Share(number, 4).of(parts) for number in range(4)]
    assert sorted(part.number for share in shares for part in share) == [*range(11)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_missing_parts_are_spelled_as_an_array():
    assert spans([0, 1, 2, 3, 7, 9, 10]) == "0-3,7,9-10"
    assert "missing 0-1" in str(WaitingError("transplant", [1, 0], 5, "wait"))
