"""A folder that is taken, a permission that goes, a clock that is set, a model at random."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn

from tests import tiny
from tests.faults.disk import FullDisk
from tests.work.test_status import planned, read, rows
from xai_audit.work.__main__ import main
from xai_audit.work.attempts import noting, read_attempts
from xai_audit.work.stage import Part

_HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_two_audits_of_one_folder(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    command = tiny.overrides(folder, out, "stages=[index]")
    holder = [sys.executable, "-c", _HOLDER, str(out / ".lock")]
    pipe = subprocess.PIPE
    with subprocess.Popen(holder, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline() == "held\n"
        done = tiny.audit(command)
        other.stdin.close()
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"xai_audit: another process is writing this output folder: {out} | remedy: wait for it, "
        "or output_dir=ANOTHER_FOLDER"
    )
    assert {file.name for file in out.iterdir()} == {".lock"}

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", none)  # as on some network disks
    done = tiny.audit(command)
    assert done.returncode == 0
    assert f"{out} cannot be locked (No locks available): start no second audit" in done.stderr


def test_a_permission_that_is_lost_midway(finished, folder, tmp_path, monkeypatch):
    """chattr +i, which stops root as well, on the folder that the second part is to go into."""
    out = tmp_path / "out"
    parts, make = out / "attributions", tempfile.mkstemp

    def immutable(sign: str) -> int:
        return subprocess.run(["chattr", f"{sign}i", parts], check=False).returncode

    def losing(*, dir: Path, **more: Any) -> tuple[int, str]:  # noqa: A002 - tempfile's own
        if dir == parts and [*parts.glob("part-*")]:
            immutable("+")
        return make(dir=dir, **more)

    parts.mkdir(parents=True)
    refused = immutable("+") or immutable("-")
    shutil.rmtree(out)
    if refused:
        pytest.skip("no immutable folders here")
    command = tiny.overrides(folder, out)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(tempfile, "mkstemp", losing)
            done = tiny.audit(command)
    finally:
        immutable("-")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"xai_audit: cannot write; everything finished so far is kept: {parts}/part-00001.parquet "
        "| got Operation not permitted | remedy: allow writing there, then run the same command "
        "again"
    )
    done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    for name in ("attributions", "scores"):
        whole = pd.read_parquet(finished / name)
        pd.testing.assert_frame_equal(whole, pd.read_parquet(out / name))


def test_a_worker_process_whose_disk_is_full(finished, tmp_path, capsys):
    """It says the line and lives on; the driver ends the run with it."""
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    plan = json.loads((out / "plan.json").read_text())
    plan["current"].remove("attribute")
    (out / "plan.json").write_text(json.dumps(plan))
    (out / "attributions" / "part-00001.parquet").unlink()
    disk = FullDisk(out)
    with disk.installed():
        assert main([str(out), "attribute", "1"]) == 2
    disk.freed("")
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("xai_audit: cannot write; everything finished so far is kept: ")
    assert "part-00001.parquet | got File too large" in last


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set(tmp_path, monkeypatch, hours):
    """By an hour, while parts are made: what they take and what is left stay right."""
    parts = [Part(number, f"m{number}", size=10) for number in range(4)]
    paths, now, ticks = planned(tmp_path, parts), time.time(), [0.0]
    monkeypatch.setattr(time, "time", lambda: now + ticks[0] + 3600 * hours * (ticks[0] > 5))
    monkeypatch.setattr(time, "monotonic", lambda: ticks[0])
    with noting(paths, "survey", parts) as made:
        for ticks[0] in (4.0, 8.0, 12.0):
            made(0)
        row, lines = rows(read(tmp_path))["survey"], read_attempts(paths)
    assert [line.part for line in lines] == [0, 0, 1, 2]
    assert [line.seconds for line in lines] == [None, 4.0, 4.0, 4.0]
    assert row["state"] == "working"
    assert row["rate"] == pytest.approx(10 / 4)
    (worker,) = read(tmp_path)["workers"]
    assert worker["part"] == 3


class Noisy(nn.Module):
    """A classifier with dropout that no eval() ends."""

    def __init__(self) -> None:
        super().__init__()
        self.body = tiny.net()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(self.body(images), training=True)


def test_a_model_at_random(finished, folder, tmp_path):
    named = "model.factory=tests.faults.test_conditions:Noisy"
    done = tiny.audit(tiny.overrides(folder, tmp_path / "out", named, "stages=[index,attribute]"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("WARNING: the model does not answer the same photo twice alike") == 1
    assert "WARNING" not in finished.with_suffix(".log").read_text()
