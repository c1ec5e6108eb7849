"""``engine=slurm`` on a real Slurm of two nodes: the same tables, whatever happens to jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests import tiny
from tests.work.processes import arguments
from tests.work.slurm import Slurm, lacking
from tests.work.test_local import differing
from tests.work.test_workers import part_files
from xai_audit.engines import _slurm_queue as queue
from xai_audit.engines._slurm_command import Command
from xai_audit.engines.slurm import SlurmEngine, _dealt
from xai_audit.errors import ConfigError

pytestmark = [
    pytest.mark.xdist_group("slurm"),
    pytest.mark.skipif(bool(lacking()), reason=f"a Slurm needs {', '.join(lacking())}"),
    pytest.mark.timeout(600),
]
pytest.importorskip("submitit")

MAIN = ("stages=[index,attribute,score]", "compute.part_size=4")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    slurm = Slurm(tmp_path_factory.mktemp("slurm") / "base")
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def slurm(cluster):
    """The cluster, its nodes idle before and after."""
    cluster.until(cluster.is_idle)
    yield cluster
    cluster.ask("scancel", "--user=root")


def command(folder, out, model="tests.tiny:net", *more):
    given = arguments(folder, out, "engine=slurm", "engine.workers=2", *MAIN, *more)
    given = [one for one in given if not one.startswith("model.factory=")]
    return [sys.executable, "-m", "xai_audit", *given, f"model.factory={model}"]


def started(slurm, line, **environment):
    return subprocess.Popen(
        line, cwd=tiny.REPO, env=slurm.environment | environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process, code=0):
    said = process.communicate(timeout=300)[1]
    assert process.returncode == code, said
    assert "Traceback" not in said
    return said


@pytest.fixture(scope="module")
def main(folder, tmp_path_factory):
    """The parts of the main pass, as one process makes them."""
    out = tmp_path_factory.mktemp("main") / "out"
    assert tiny.audit(arguments(folder, out, *MAIN)).returncode == 0
    return part_files(out)


def test_a_chain_of_jobs_needs_no_driver(slurm, folder, main, tmp_path):
    """Submitted whole; what is left of the chain ends with the audit."""
    out = tmp_path / "out"
    said = ended(started(slurm, command(folder, out, "tests.tiny:net", "engine.wait=false")))
    assert "24 rounds of 2 tasks" in said
    assert "1 of 1 parts of index are left to other processes" in said
    slurm.until(lambda: not slurm.ask("squeue", "--noheader").strip(), 200)
    assert part_files(out).keys() == main.keys()
    assert json.loads((out / "run.json").read_text())["fingerprints"].keys() >= {"score"}


@pytest.mark.slow
def test_a_chain_of_jobs_writes_what_one_process_writes(slurm, folder, whole, tmp_path):
    out = tmp_path / "out"
    line = [sys.executable, "-m", "xai_audit", *arguments(folder, out, "engine=slurm")]
    said = ended(started(slurm, [*line, "engine.workers=2", "engine.wait=false"]))
    assert "24 rounds of 2 tasks" in said
    slurm.until((out / "SUCCESS").is_file, 500)
    assert differing(out, whole) == []
    assert part_files(out).keys() == part_files(whole).keys()


def test_a_task_that_is_killed_costs_its_parts_alone(slurm, folder, main, tmp_path):
    flag = tmp_path / "once"
    line = command(folder, tmp_path / "out", "tests.work.dying:once")
    said = ended(started(slurm, line, XAI_AUDIT_TEST_DIES=str(flag)))
    assert flag.is_file()
    assert "parts of attribute are missing; submitted again" in said
    assert part_files(tmp_path / "out").keys() == main.keys()


def test_a_part_that_ends_two_tasks_is_set_aside(slurm, with_white, main, tmp_path):
    line = command(with_white, tmp_path / "out", "tests.work.dying:on_white")
    said = ended(started(slurm, line), code=4)
    assert "1 part of attribute ended the processes that made them" in said
    assert re.search(r"part 0: job \d+(_0)?, exit code -9", said), said
    parts = sorted(path.name for path in (tmp_path / "out" / "attributions").glob("*.parquet"))
    planned = [name for name in main if name.startswith("attributions/")]
    assert len(parts) == len(planned) - 1


@pytest.mark.slow
def test_a_mistake_of_the_user_s_is_one_line_and_not_tried_again(slurm, with_white, tmp_path):
    line = command(with_white, tmp_path / "out", "tests.work.dying:raising")
    alone = [one for one in line if not one.startswith("engine")]
    expected = subprocess.run(
        [*alone, f"output_dir={tmp_path / 'alone'}"],
        cwd=tiny.REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = ended(started(slurm, line), code=expected.returncode)
    assert said.strip().splitlines()[-1] == expected.stderr.strip().splitlines()[-1]
    assert "submitted again" not in said


def requeue(slurm, _out):
    """A member of the array, by its task id."""
    running = slurm.ask("squeue", "-h", "-r", "-t", "R", "-o", "%i").split()
    slurm.ask("scontrol", "requeue", running[0])


def preempt(slurm, out):
    """A job of a higher partition takes both nodes for a moment."""
    script = out.parent / "high.sh"
    script.write_text("#!/bin/sh\nsleep 1\n")
    slurm.ask("sbatch", "-p", "high", "-N2", "--exclusive", f"--output={os.devnull}", str(script))


def crash(slurm, _out):
    """Both a node and what runs on it end; it comes back later."""
    slurm.crash("n2")
    slurm.boot("n2")


def cancel(slurm, _out):
    """An administrator ends one task."""
    running = slurm.ask("squeue", "-h", "-r", "-t", "R", "-o", "%i").split()
    slurm.ask("scancel", running[0])


@pytest.mark.parametrize(
    ("happens", "partition"),
    [
        (requeue, "low"),
        pytest.param(preempt, "low", marks=pytest.mark.slow),
        pytest.param(preempt, "cancels", marks=pytest.mark.slow),
        pytest.param(cancel, "low", marks=pytest.mark.slow),
        pytest.param(crash, "low", marks=pytest.mark.slow),
    ],
)
def test_whatever_ends_a_job_the_tables_are_the_same(
    slurm, folder, main, tmp_path, happens, partition
):
    out = tmp_path / "out"
    line = command(folder, out, "tests.work.dying:slow", f"engine.partition={partition}")
    process = started(slurm, [*line, "engine.retries=4"], XAI_AUDIT_TEST_SECONDS="2")
    slurm.until(lambda: list((out / "attributions").glob("part-*.parquet")), 120)
    assert process.poll() is None
    before = {path: path.stat().st_mtime_ns for path in (out / "attributions").glob("part-*")}
    happens(slurm, out)
    ended(process)
    assert part_files(out).keys() == main.keys()
    # What was there is not made again.
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_a_task_that_needs_longer_than_its_limit_goes_on(slurm, folder, main, tmp_path):
    line = command(folder, tmp_path / "out", "tests.work.dying:slow", "engine.workers=1")
    options = ("engine.time=1", "engine.signal_delay_s=20")
    ended(started(slurm, [*line, *options], XAI_AUDIT_TEST_SECONDS="12"))
    assert part_files(tmp_path / "out").keys() == main.keys()


@pytest.mark.parametrize(
    "signum", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_without_its_driver_nothing_is_lost(slurm, folder, main, tmp_path, signum):
    """A stop cancels the jobs; after a kill the next command does."""
    out = tmp_path / "out"
    line = command(folder, out, "tests.work.dying:slow")
    process = started(slurm, line, XAI_AUDIT_TEST_SECONDS="8")
    slurm.until(lambda: list((out / "attributions").glob("part-*.parquet")), 120)
    process.send_signal(signum)
    process.communicate(timeout=60)
    if signum == signal.SIGINT:
        assert process.returncode == 130
        slurm.until(slurm.is_idle, 20)
    said = ended(started(slurm, line, XAI_AUDIT_TEST_SECONDS="0"))
    assert ("of an earlier command are cancelled" in said) is (signum == signal.SIGKILL)
    assert part_files(out).keys() == main.keys()


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("engine.partition=none_such", "sbatch refuses the job: engine=slurm . got .*partition"),
        ("+engine.colour=red", r"no option of sbatch: engine=slurm . got .*colour"),
        ("engine.rounds=20000", "more jobs than the user may have queued: engine.rounds"),
    ],
)
def test_what_slurm_refuses_is_one_line(slurm, folder, tmp_path, option, line):
    more = (option, "engine.wait=false", "stages=[index]")
    words = command(folder, tmp_path / "out")[3:]
    done = tiny.audit([*words, *more], env={"SLURM_CONF": slurm.environment["SLURM_CONF"]})
    assert done.returncode == 2, done.stderr
    assert re.search(line, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_limits_and_states_are_slurm_s_own(slurm, monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    assert queue.most_tasks(1000)[0] == 64
    assert queue.most_tasks(3)[0] == 3
    assert queue.live(["99999", "99999_3"]) == set()
    script = tmp_path / "fails.sh"
    script.write_text("#!/bin/sh\nsleep 30\n")
    out = slurm.ask("sbatch", "--array=0-2", f"--output={os.devnull}", str(script))
    job = out.split()[-1]
    assert queue.live([job, f"{job}_1", f"{job}_7"]) == {job, f"{job}_1"}
    slurm.until(lambda: len(slurm.ask("squeue", "-h", "-r", "-t", "R").splitlines()) == 3)
    queue.cancel([f"{job}_1"])
    slurm.until(lambda: queue.live([f"{job}_1"]) == set())
    assert queue.state(f"{job}_1") == "CANCELLED"
    assert queue.is_innocent("CANCELLED")
    assert queue.is_innocent(queue.state("99999"))
    assert not queue.is_innocent("OUT_OF_MEMORY")
    queue.cancel([job])
    slurm.until(lambda: queue.live([job]) == set())


@pytest.mark.slow
def test_a_controller_that_is_away_is_looked_for_again(slurm, folder, main, tmp_path):
    out = tmp_path / "out"
    line = command(folder, out, "tests.work.dying:slow")
    process = started(slurm, line, XAI_AUDIT_TEST_SECONDS="2")
    slurm.until(lambda: list((out / "attributions").glob("part-*.parquet")), 120)
    os.kill(int((slurm.base / "slurmctld.pid").read_text()), signal.SIGSTOP)
    time.sleep(5)
    os.kill(int((slurm.base / "slurmctld.pid").read_text()), signal.SIGCONT)
    ended(process)
    assert part_files(out).keys() == main.keys()


@pytest.mark.parametrize(("key", "value"), [("workers", 0), ("retries", -1), ("rounds", 0)])
def test_a_number_that_cannot_be_is_one_line(key, value):
    given = {"workers": 1, "retries": 0, "rounds": 1} | {key: value}
    with pytest.raises(ConfigError, match=f"engine.{key}"):
        SlurmEngine(driver=None, wait=True, **given)


@pytest.mark.parametrize(
    ("given", "threads"),
    [
        ({"SLURM_CPUS_PER_TASK": "2", "SLURM_CPUS_ON_NODE": "8"}, "2"),
        ({"SLURM_CPUS_ON_NODE": "3"}, "3"),
        ({"SLURM_CPUS_ON_NODE": "3", "OMP_NUM_THREADS": "1"}, "1"),
        ({}, None),
    ],
)
def test_a_task_has_as_many_threads_as_cores(monkeypatch, given, threads):
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    plain, seen = subprocess.Popen, []

    def popen(command, *, env, **more):
        seen.append(env.get("OMP_NUM_THREADS"))
        return plain([sys.executable, "-c", ""], env=env, **more)

    monkeypatch.setattr(subprocess, "Popen", popen)
    assert Command("nowhere")()["code"] == 0
    assert seen == [threads]


def test_tasks_get_parts_in_turn_and_what_a_task_died_on_is_alone():
    assert _dealt([*range(10)], {3: 1}, 4) == [[3], [0, 5, 9], [1, 6], [2, 7], [4, 8]]
    assert _dealt([5, 6], {}, 4) == [[5], [6]]
    assert _dealt([], {}, 4) == []
