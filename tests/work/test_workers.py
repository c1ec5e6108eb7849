"""Parts made anywhere, by anyone, at the same time: the same tables, and none lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests import tiny
from tests.work.processes import arguments, made_by
from xai_audit.engines._ray_worker import Maker
from xai_audit.pipeline import STAGES
from xai_audit.run.files import replacing
from xai_audit.run.home import paths_of
from xai_audit.run.leftovers import remove_leftovers
from xai_audit.work.__main__ import made, main, opened
from xai_audit.work.parts import read_parts

TABLES = (
    "manifest.parquet", "attributions", "scores", "methods.parquet", "clusters.parquet",
    "transplants", "evidence.parquet", "summary.parquet", "boundaries.parquet",
    "adversarial.parquet", "augmentation.parquet", "flags.parquet",
)  # fmt: skip


def same_tables(left: Path, right: Path) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(pd.read_parquet(left / name), pd.read_parquet(right / name))


def part_files(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*-[0-9][0-9][0-9][0-9][0-9].parquet")
    }


def test_parts_made_by_other_processes_are_the_same_bytes(folder, whole, tmp_path):
    out = tmp_path / "out"
    done = tiny.audit(
        arguments(folder, out, "engine._target_=tests.work.processes.Processes", "~engine.workers")
    )
    assert done.returncode == 0, done.stderr
    mine, theirs = part_files(out), part_files(whole)
    assert mine.keys() == theirs.keys()
    assert len(mine) > 40
    assert [name for name in mine if mine[name] != theirs[name]] == []
    same_tables(whole, out)


def test_two_workers_on_one_part_leave_one_whole_file(whole, tmp_path):
    out = shutil.copytree(whole, tmp_path / "out")
    part = out / "attributions" / "part-00001.parquet"
    part.unlink()
    workers = [made_by(out, "attribute", [1]) for _ in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    for worker in workers:
        worker.stderr.close()
    assert part.read_bytes() == (whole / "attributions" / part.name).read_bytes()
    assert not list(out.rglob("*.tmp"))


def test_parts_that_are_there_are_left_alone_whoever_is_given_them(whole, tmp_path):
    """A worker that is killed once its part is committed leaves that part to be given again."""
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    before = part_files(out)
    stages = [stage.name for stage in STAGES if read_parts(paths_of(out), stage.name)]
    assert "attribute" in stages
    for stage in stages:
        given = [part.number for part in read_parts(paths_of(out), stage)]
        assert list(made(opened(out), stage, given)) == []
    maker = Maker(str(out), str(Path.cwd()))
    assert maker.open() is maker.make("attribute", 0) is None
    assert part_files(out) == before
    done = made_by(out, "attribute", [0])
    assert done.communicate(timeout=120)[1] == ""
    assert done.returncode == 0


def test_what_a_living_writer_has_begun_is_not_a_leftover(tmp_path):
    with replacing(tmp_path / "part-00000.parquet") as mine:
        mine.write_text("half")
        remove_leftovers(tmp_path)  # the driver cleans
        assert mine.read_text() == "half"
        mine.write_text("whole")
    assert (tmp_path / "part-00000.parquet").read_text() == "whole"
    code = (
        "import os, sys; from pathlib import Path; from xai_audit.run.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as mine:\n"
        "    mine.write_text('half'); os._exit(9)"
    )
    died = [sys.executable, "-c", code, str(tmp_path / "part-00001.parquet")]
    assert subprocess.run(died, cwd=tiny.REPO, check=False).returncode == 9
    (left,) = tmp_path.glob(".*.tmp")
    remove_leftovers(tmp_path)
    assert not left.exists()


def test_a_part_that_an_engine_left_out_is_named_and_made_by_the_next_command(folder, tmp_path):
    out = tmp_path / "out"
    more = ("stages=[index,attribute,score]",)
    done = tiny.audit(
        tiny.overrides(
            folder, out, *more, "engine._target_=tests.work.processes.Forgetful", "~engine.workers"
        )
    )
    assert done.returncode == 2
    assert "parts of stage index were not made" in done.stderr
    assert "got none of number 0" in done.stderr
    assert tiny.audit(tiny.overrides(folder, out, *more)).returncode == 0


def test_a_worker_s_mistake_is_one_line(whole, tmp_path, capsys):
    command = [sys.executable, "-m", "xai_audit.work", str(whole), "attribute", "99"]
    done = subprocess.run(command, cwd=tiny.REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("xai_audit: no such part of stage attribute")
    assert main([str(whole), "elsewhere", "0"]) == 2
    assert capsys.readouterr().err.startswith("xai_audit: unknown stage")
    assert main([str(tmp_path), "attribute", "0"]) == 2
    assert "no plan yet" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_at_twenty_moments_nothing_is_lost(folder, whole, tmp_path):
    """SIGKILL of driver and workers, wherever they are; the last command finishes."""
    rng, out = random.Random(0), tmp_path / "out"
    command = tiny.command(arguments(folder, out))
    reached, start = set(), time.monotonic()
    subprocess.run(command, cwd=tiny.REPO, check=True, capture_output=True)
    alone = time.monotonic() - start
    for number in range(20):
        one = tmp_path / f"killed_{number}"
        process = subprocess.Popen(
            tiny.command(arguments(folder, one)), cwd=tiny.REPO, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(rng.uniform(0.15, 0.95) * alone)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        record = one / "run.json"
        if record.is_file():
            reached |= json.loads(record.read_text())["fingerprints"].keys()
        before = part_files(one)
        done = tiny.audit(arguments(folder, one))
        assert done.returncode == 0, done.stderr
        after = part_files(one)
        assert before.items() <= after.items()  # whatever was whole is kept
        same_tables(whole, one)
    assert len(reached) > 8
