"""``attempts/``: a line a part, whoever made it; what failed and what was made again."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests import tiny
from tests.work.processes import MAIN, arguments, made_by
from xai_audit.errors import StoppedError
from xai_audit.run.paths import RunPaths
from xai_audit.work.attempts import noting, read_attempts
from xai_audit.work.stage import Part

PARTS = [Part(number, f"mark{number}", size=10) for number in range(3)]


def lines(root):
    """What the files say, process by process, read without the package."""
    files = sorted((root / "attempts").glob("*.jsonl"))
    return {
        file.stem: [json.loads(line) for line in file.read_text().splitlines()] for file in files
    }


def test_a_line_a_part_and_one_for_the_beginning(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "7")
    before = time.time()
    with noting(RunPaths(tmp_path), "survey", PARTS) as made:
        for forwards in (5, 5, 12):
            made(forwards)
    ((name, found),) = lines(tmp_path).items()
    assert name.endswith(f"-{os.getpid()}")
    assert [(line["part"], line["seconds"] is None, line["following"]) for line in found] == [
        (0, True, None), (0, False, 1), (1, False, 2), (2, False, None)
    ]  # fmt: skip
    assert [line["forwards"] for line in found] == [0, 5, 0, 7]
    for line in found:
        assert line["stage"] == "survey"
        assert line["size"] == 10
        assert line["error"] is None
        assert line["by"]["pid"] == os.getpid()
        assert line["by"]["SLURM_ARRAY_TASK_ID"] == "7"
        assert before - 1 <= line["start"] <= time.time() + 1


def test_an_error_is_noted_with_the_first_part_that_is_not_made(tmp_path):
    def fail(error):
        with noting(RunPaths(tmp_path), "survey", PARTS) as made:
            made(0)
            raise error

    with pytest.raises(ValueError, match="two"):
        fail(ValueError("two\nlines"))
    with pytest.raises(StoppedError):
        fail(StoppedError(15))
    failed = [one for one in read_attempts(RunPaths(tmp_path)) if one.error]
    assert [(one.part, one.error) for one in failed] == [(1, "ValueError: two lines")]


def test_what_cannot_be_written_or_read_is_left_out(tmp_path):
    (tmp_path / "attempts").write_text("in the way")
    with noting(RunPaths(tmp_path), "survey", PARTS) as made:
        made(0)
    assert read_attempts(RunPaths(tmp_path)) == []
    (tmp_path / "attempts").unlink()
    with noting(RunPaths(tmp_path), "survey", PARTS) as made:
        made(0)
    (file,) = (tmp_path / "attempts").iterdir()
    file.write_bytes(file.read_bytes() + b'{"stage": "surv')
    assert len(read_attempts(RunPaths(tmp_path))) == 2


def test_every_part_of_an_audit_has_its_line_and_the_files_stay(folder, tmp_path):
    out = tmp_path / "out"
    command = arguments(folder, out, MAIN, "compute.part_size=4")
    assert tiny.audit(command).returncode == 0
    planned = json.loads((out / "plan.json").read_text())["stages"]
    made = [one for one in read_attempts(RunPaths(out)) if one.is_made]
    # Scores come with the heatmaps.
    wanted = {(name, part["number"]) for name in ("index", "attribute") for part in planned[name]}
    assert sorted((one.stage, one.part) for one in made) == sorted(wanted)
    before = lines(out)
    assert tiny.audit([*command, "seed=3", "limit=9"]).returncode == 0
    ((name, old),) = before.items()
    assert lines(out)[name][: len(old)] == old


def test_a_worker_of_any_scheduler_has_a_file_of_its_own(folder, tmp_path):
    out = tmp_path / "out"
    assert tiny.audit(arguments(folder, out, MAIN)).returncode == 0
    (out / "attributions" / "part-00001.parquet").unlink()
    worker = made_by(out, "attribute", [1])
    worker.communicate(timeout=120)
    (found,) = (each for name, each in lines(out).items() if name.endswith(f"-{worker.pid}"))
    assert [(line["stage"], line["part"]) for line in found] == [("attribute", 1)] * 2


def test_a_killed_workers_part_is_named_and_made_again_by_another(killed):
    attempts = read_attempts(RunPaths(killed))
    (death,) = [one for one in attempts if one.error]
    assert death.error.startswith("signal 9")
    assert death.stage == "attribute"
    again = [one for one in attempts if (one.stage, one.part) == ("attribute", death.part)]
    (made,) = [one for one in again if one.is_made]
    assert made.worker != death.worker
    assert made.fingerprint == death.fingerprint
    (last,) = [one for one in again if one.worker == death.worker and one is not death]
    assert last.in_hand == death.part
