"""``xai-audit status DIR``: of a run at work, of one that was killed, of one that ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests import tiny
from xai_audit.errors import OutputError
from xai_audit.pipeline import STAGES
from xai_audit.run.files import HOST, write_json
from xai_audit.run.paths import RunPaths
from xai_audit.work.attempts import Attempt, note, note_death, read_attempts
from xai_audit.work.stage import Part
from xai_audit.work.status import Status, StatusFile

pytestmark = pytest.mark.xdist_group("status")

SMALL = ("model.factory=tests.tiny:slow_net", "compute.batch_size=2", "compute.part_size=4")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return tiny.make_folder(tmp_path_factory.mktemp("many"), per_class=40)


def read(out):
    return Status(RunPaths(out), STAGES).read()


def rows(found):
    return {row["stage"]: row for row in found["stages"]}


def files(out):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def test_counts_grow_while_two_workers_are_at_work_and_end_whole(photos, tmp_path):
    out, seen = tmp_path / "out", []
    command = tiny.overrides(photos, out, "engine.workers=2", *SMALL)
    process = tiny.started(command, out, "attributions", 1)
    while process.poll() is None:
        found = read(out)
        seen.append((rows(found)["attribute"], len(found["workers"])))
        time.sleep(0.05)
    assert process.returncode == 0, out.with_suffix(".log").read_text()
    working = [row for row, _ in seen if row["state"] == "working"]
    counts = [row["parts_done"] for row in working]
    assert counts == sorted(counts)
    assert len({*counts}) > 3
    assert {row["parts"] for row in working} == {30}
    assert all(row["size_done"] == 4 * row["parts_done"] for row in working)
    assert any(row["rate"] and row["seconds_left"] > 0 for row in working)
    assert max(workers for _, workers in seen) >= 2
    end = read(out)
    assert {rows(end)[name]["state"] for name in ("index", "attribute", "score")} == {"done"}
    assert rows(end)["page"]["state"] == "not requested"
    assert end["workers"] == end["failures"] == []
    assert not end["finished"]
    noted = json.loads((out / "status.json").read_text())
    assert noted["stages"] == end["stages"]


def test_after_the_driver_is_killed_it_says_what_is_there_and_writes_nothing(photos, tmp_path):
    out = tmp_path / "out"
    process = tiny.started(tiny.overrides(photos, out, *SMALL), out, "attributions", 5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (out / "attributions" / "part-00001.parquet").write_bytes(b"PAR1 of another plan")
    before = files(out)
    done = tiny.audit(["status", str(out)])
    assert files(out) == before
    assert done.returncode == 0
    made = len(list((out / "attributions").glob("part-*.parquet"))) - 1
    assert made >= 4
    row = rows(read(out))["attribute"]
    assert (row["state"], row["parts_done"], row["parts"]) == ("idle", made, 30)
    assert f"{made} of 30 parts" in done.stdout
    assert "no worker was seen in the last minutes" in done.stdout
    assert "page          not requested" in done.stdout
    as_json = json.loads(tiny.audit(["status", "--json", str(out)]).stdout)
    assert as_json["stages"] == read(out)["stages"]


@pytest.mark.parametrize("content", [None, {}, {"notes.txt": "x"}, {"run.json": "[]"}])
def test_what_is_no_audit_is_one_line(tmp_path, content):
    out = tmp_path / "out"
    if content is not None:
        out.mkdir()
        for name, text in content.items():
            (out / name).write_text(text)
    done = tiny.audit(["status", str(out)])
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no audit here" in done.stderr
    assert str(out) in done.stderr
    assert out.exists() == (content is not None)


def test_it_loads_neither_hydra_nor_torch(tmp_path):
    planned(tmp_path, [])
    script = (
        f"import sys\nsys.argv = ['xai-audit', 'status', {str(tmp_path)!r}]\n"
        "from xai_audit.cli import main\nassert main() == 0\n"
        "assert not {'hydra', 'torch'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tiny.REPO, check=True, capture_output=True)


def planned(root, parts, *, current=()):
    """A folder with a plan of ``parts`` for the stage survey."""
    record = {"fingerprints": dict.fromkeys(current, "x"), "config": {"stages": ["evidence"]}}
    write_json(root / "run.json", record)
    stages = {"survey": [vars(part) for part in parts]}
    write_json(root / "plan.json", {"current": list(current), "stages": stages})
    return RunPaths(root)


def test_the_rate_is_the_sum_of_all_workers_of_the_last_minutes(tmp_path):
    """Closed form: 64 photos each 8 s by one, 32 photos each 16 s by another: 8 + 2 a second."""
    sizes = [64] * 4 + [32] * 2 + [64]
    parts = [Part(number, f"m{number}", size=size) for number, size in enumerate(sizes)]
    paths, now = planned(tmp_path, parts), time.time()

    def made(number, by, start, seconds, following=None):
        size, mark = sizes[number], f"m{number}"
        note(paths, Attempt("survey", number, mark, size, start, seconds, by, None, following))

    one, other, gone = ({"host": f"node{n}", "pid": n} for n in (1, 2, 3))
    for number in range(3):
        made(number, one, now - 24 + 8 * number, 8.0, number + 1)
    made(4, other, now - 40, 16.0, 5)
    made(6, gone, now - 5000, 1.0)
    row = rows(read(tmp_path))["survey"]
    assert row["rate"] == pytest.approx(10.0, rel=0.01)
    assert row["state"] == "working"
    assert row["seconds_left"] == pytest.approx(sum(sizes) / 10, rel=0.01)
    workers = read(tmp_path)["workers"]
    assert [(each["host"], each["part"], each["made"]) for each in workers] == [
        ("node2", 5, 1), ("node1", 3, 3)
    ]  # fmt: skip
    made(3, one, now, 2000.0)  # a long part: still here half an hour later
    assert rows(read(tmp_path))["survey"]["rate"] > 2


def test_failures_are_those_of_this_plan_with_the_last_error(tmp_path):
    parts = [Part(number, f"m{number}") for number in range(3)]
    paths = planned(tmp_path, [Part(2, "of an earlier plan")])
    note_death(paths, "survey", 2, "signal 9", 4242)
    planned(tmp_path, parts)
    note_death(paths, "survey", 1, "signal 9", 4242)
    note_death(paths, "survey", 1, "signal 11", 4243)
    (failure,) = read(tmp_path)["failures"]
    assert {key: failure[key] for key in ("stage", "part", "attempts", "error", "made_since")} == {
        "stage": "survey", "part": 1, "attempts": 2, "error": "signal 11", "made_since": False
    }  # fmt: skip
    assert failure["by"] == {"host": HOST, "pid": 4243}
    shown = tiny.audit(["status", str(tmp_path)]).stdout
    assert f"survey part 1, 2 times, last by {HOST} 4243: signal 11" in shown
    planned(tmp_path, parts, current=["survey"])
    assert read(tmp_path)["failures"][0]["made_since"]
    assert "1 part failed and was made again" in tiny.audit(["status", str(tmp_path)]).stdout


def test_a_dead_process_of_this_machine_is_no_worker(tmp_path):
    paths = planned(tmp_path, [Part(0, "m")])
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid, count in ((ended.pid, 0), (os.getpid(), 1)):
        note(paths, Attempt("survey", 0, "m", 0, time.time(), None, {"host": HOST, "pid": pid}))
        assert len(read(tmp_path)["workers"]) == count
    assert len(read_attempts(paths)) == 2


def test_the_file_is_written_now_and_then_and_never_ends_a_run(tmp_path, monkeypatch):
    paths = planned(tmp_path, [])
    now = [0.0]
    monkeypatch.setattr("xai_audit.work.status.time.monotonic", lambda: now[0])
    file = StatusFile(paths, STAGES)
    written = []
    for now[0] in (1.0, 2.0, 5.9, 6.1, 7.0, 30.0):
        paths.status_json.unlink(missing_ok=True)
        file.tick()
        written.append(paths.status_json.is_file())
    assert written == [True, False, False, True, False, True]
    paths.run_json.unlink()
    file.write()
    with pytest.raises(OutputError, match="no audit here"):
        read(tmp_path)
