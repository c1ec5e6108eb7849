"""``engine.workers=N``: processes of one machine, one plan, the same tables, none lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tests import tiny
from tests.work.processes import MAIN, WORKERS, arguments, audited
from tests.work.test_workers import TABLES, part_files
from xai_audit.engines.local import LocalEngine, pieces
from xai_audit.errors import ConfigError


def differing(left, right, names=TABLES):
    """Columns that differ by more than rounding: kernels add up in another order on one core."""
    found = []
    for name in names:
        one, other = (pd.read_parquet(out / name) for out in (left, right))
        if list(one) != list(other) or len(one) != len(other):
            return [name]
        for column in one:
            pairs = zip(one[column], other[column], strict=True)
            # Heatmaps are stored in half precision, whose last digit is 1e-3 of a value.
            most = 2e-3 if column == "heatmap" else 1e-5
            if not all(equal(a, b, most) for a, b in pairs):
                found.append(f"{name}: {column}")
    return found


def equal(one, other, most):
    if isinstance(one, np.ndarray | float):
        if np.asarray(one).dtype.kind == "f":
            return np.allclose(one, other, rtol=most, atol=most, equal_nan=True)
        return np.array_equal(one, other)
    return one == other or (one is None and other is None) or (pd.isna(one) and pd.isna(other))


def test_two_workers_write_what_one_process_writes(folder, whole, tmp_path):
    out = tmp_path / "out"
    done = tiny.audit(arguments(folder, out, WORKERS))
    assert done.returncode == 0, done.stderr
    assert differing(out, whole) == []
    assert part_files(out).keys() == part_files(whole).keys()
    assert (out / "SUCCESS").is_file()
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert f"xai_audit.work {out}" not in listed.stdout


def test_a_worker_that_dies_at_work_costs_its_parts_alone(killed, undisturbed):
    assert part_files(killed) == part_files(undisturbed)


def test_a_worker_that_dies_with_a_part_committed_costs_nothing(folder, undisturbed, tmp_path):
    flag = tmp_path / "once"
    moment = {"XAI_AUDIT_TEST_DIES": str(flag), "XAI_AUDIT_TEST_MOMENT": "committed"}
    done = audited(folder, tmp_path / "out", "tests.work.dying:once", **moment)
    assert done.returncode == 0, done.stderr
    assert flag.is_file()
    assert part_files(tmp_path / "out") == part_files(undisturbed)


def test_a_part_that_kills_its_worker_twice_is_set_aside(with_white, tmp_path):
    done = audited(with_white, tmp_path / "out", "tests.work.dying:on_white")
    assert done.returncode == 4, done.stderr
    assert "1 part of attribute ended the processes that made them" in done.stderr
    assert "signal 9" in done.stderr
    made = sorted(path.name for path in (tmp_path / "out" / "attributions").glob("*.parquet"))
    planned = len(made) + 1
    assert planned > 3
    assert "Traceback" not in done.stderr


def test_a_mistake_of_the_user_s_is_one_line_from_any_worker(with_white, tmp_path):
    done = audited(with_white, tmp_path / "out", "tests.work.dying:raising")
    more = (MAIN, "compute.part_size=4", "model.factory=tests.work.dying:raising")
    alone = tiny.audit(arguments(with_white, tmp_path / "alone", *more))
    assert done.returncode == alone.returncode != 0
    assert "Traceback" not in done.stderr
    last = [each.stderr.strip().splitlines()[-1] for each in (done, alone)]
    assert last[0] == last[1]


def test_a_stop_ends_workers_and_resumes(folder, tmp_path):
    out = tmp_path / "out"
    command = arguments(folder, out, WORKERS, MAIN, "compute.part_size=2")
    driver = subprocess.Popen(
        [sys.executable, "-m", "xai_audit", *command],
        cwd=tiny.REPO, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not list((out / "attributions").glob("part-*.parquet")):
        assert driver.poll() is None
        time.sleep(0.05)
    driver.send_signal(signal.SIGINT)
    _, said = driver.communicate(timeout=60)
    assert driver.returncode == 130, said
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert f"xai_audit.work {out}" not in listed.stdout
    kept = {path: path.stat().st_mtime_ns for path in (out / "attributions").glob("part-*")}
    assert tiny.audit([*command, "engine.workers=1"]).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list((out / "attributions").glob("part-*"))) == 9


@pytest.mark.parametrize("workers", ["many", -1, 1.5, True])
def test_a_number_of_workers_that_is_none_is_one_line(workers):
    with pytest.raises(ConfigError, match="engine.workers"):
        LocalEngine(driver=None, workers=workers)


def test_pieces_hold_every_part_once_in_order_and_the_last_are_small():
    assert pieces([5, 6, 7, 8, 9], 2) == [[5], [6], [7], [8], [9]]
    assert pieces([1], 8) == [[1]]
    assert pieces([], 8) == []
    assert sum(pieces(range(1000), 8), []) == [*range(1000)]
    # The dear parts are the last: 100 of 1000 are a fair share of 12 or 13 for each of 8 workers.
    dear = [piece for piece in pieces(range(1000), 8) if piece[-1] >= 900]
    assert max(map(len, dear)) <= 100 / 8
    assert len(dear) >= 16


def test_a_worker_s_cores_and_device_are_its_own(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert LocalEngine(driver=None, workers="auto")._count == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert LocalEngine(driver=None, workers="auto")._count == 1
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
