"""Kill it, signal it, starve it: the tables come out as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests import tiny

pytestmark = pytest.mark.xdist_group("interruption")  # they share a run


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return tiny.make_folder(tmp_path_factory.mktemp("many"), per_class=40)


def arguments(photos: Path, out: Path, *more: str) -> list[str]:
    return tiny.overrides(
        photos,
        out,
        "model.factory=tests.tiny:slow_net",
        "compute.batch_size=4",
        *more,
    )


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory) -> Path:
    """What an uninterrupted run writes."""
    out = tmp_path_factory.mktemp("whole") / "out"
    result = tiny.audit(arguments(photos, out))
    assert result.returncode == 0, result.stderr
    return out


def same_tables(one: Path, other: Path) -> None:
    for name in ("scores", "attributions"):
        left, right = pd.read_parquet(one / name), pd.read_parquet(other / name)
        assert not right.duplicated(["image_id", "method", "target_kind"]).any()
        pd.testing.assert_frame_equal(left, right)
    assert pq.read_table(one / "manifest.parquet").equals(pq.read_table(other / "manifest.parquet"))
    assert not list(other.rglob("*.tmp"))


def started(arguments: list[str], out: Path, parts: int) -> subprocess.Popen[bytes]:
    return tiny.started(arguments, out, "attributions", parts)


def test_five_kills_at_random_moments(photos, whole, tmp_path):
    """SIGKILL spares nothing: what is on disk then must be whole or absent."""
    out, rng = tmp_path / "out", random.Random(0)
    killed = 0
    for done in (0, 2, 5, 9, 14):
        process = started(arguments(photos, out, "compute.num_workers=1"), out, done)
        time.sleep(rng.uniform(0, 0.3))
        killed += process.poll() is None
        process.kill()
        process.wait()  # not communicate(): that would wait for its workers too
        assert not (out / "SUCCESS").exists()
    assert killed == 5
    result = tiny.audit(arguments(photos, out))
    assert result.returncode == 0, result.stderr
    same_tables(whole, out)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_part_in_hand(photos, whole, tmp_path, number, code):
    out = tmp_path / "out"
    process = started(arguments(photos, out, "compute.num_workers=1"), out, 3)
    process.send_signal(number)
    process.wait(timeout=60)
    stderr = out.with_suffix(".log").read_text()
    assert process.returncode == code, stderr
    assert "run the same command again" in stderr
    assert "Traceback" not in stderr
    parts = sorted((out / "attributions").glob("part-*"))
    assert 3 <= len(parts) < 24
    # Scores of the part in hand are there too.
    assert len(list((out / "scores").glob("part-*"))) == len(parts)
    before = {path: path.stat().st_mtime_ns for path in parts}
    result = tiny.audit(arguments(photos, out))
    assert result.returncode == 0, result.stderr
    assert before == {path: path.stat().st_mtime_ns for path in parts}
    same_tables(whole, out)


def test_a_signal_stops_a_whole_sweep(photos, tmp_path):
    outs = [tmp_path / f"seed{seed}" for seed in (1, 2)]
    sweep = arguments(photos, tmp_path / "seed${seed}", "-m", "seed=1,2")
    process = started(sweep, outs[0], 2)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    assert process.returncode == 143, outs[0].with_suffix(".log").read_text()
    assert outs[0].is_dir()
    assert not outs[1].exists()


def test_a_changed_configuration_never_mixes_with_an_interrupted_one(photos, tmp_path):
    """Killed under one target list, gone on under another: only rows of the second."""
    out = tmp_path / "out"
    process = started(arguments(photos, out), out, 4)
    process.kill()
    process.wait()
    result = tiny.audit(arguments(photos, out, "targets=[pred]"))
    assert result.returncode == 0, result.stderr
    fresh = tmp_path / "fresh"
    assert tiny.audit(arguments(photos, fresh, "targets=[pred]")).returncode == 0
    same_tables(fresh, out)


def test_a_real_allocator_failure_finishes_smaller(photos, tmp_path):
    """An address space too small for the asked batch: same rows, a smaller batch, counted."""
    shape = (
        "compute.batch_size=96",
        "compute.part_size=120",
        "model.preprocess.resize=256",
        "model.preprocess.crop=256",
    )
    roomy, out = tmp_path / "roomy", tmp_path / "out"
    wide = arguments(photos, roomy, *shape, "model.factory=tests.tiny:wide_net")
    assert tiny.audit(wide).returncode == 0
    starved = arguments(photos, out, *shape, "model.factory=tests.tiny:starved_net")
    result = tiny.audit_process(starved)
    assert result.returncode == 0, result.stderr
    assert "out of memory at 96 images a batch" in result.stderr
    run = json.loads((out / "run.json").read_text())
    assert run["counts"]["oom_retries"] > 0
    assert run["counts"]["ok"] == 120
    assert run["batch_size"]["asked"] == 96
    assert run["batch_size"]["used"] < 96
    left, right = pd.read_parquet(roomy / "scores"), pd.read_parquet(out / "scores")
    pd.testing.assert_frame_equal(left, right, atol=1e-4, rtol=1e-3)


def test_an_error_with_workers_ends_the_process(photos, tmp_path):
    """Workers ignore SIGTERM; a traceback that keeps them alive must not keep the process."""
    more = ("compute.num_workers=2", "model.factory=tests.tiny:failing_net")
    result = tiny.audit_process(arguments(photos, tmp_path / "out", *more), timeout=60)
    assert result.returncode == 1
    assert "on purpose" in result.stderr


def test_a_damaged_file_is_made_anew(photos, whole, tmp_path):
    out = tmp_path / "out"
    assert tiny.audit(arguments(photos, out)).returncode == 0
    for name in (
        "manifest.parquet",
        "scores/part-00001.parquet",
        "attributions/part-00002.parquet",
    ):
        path = out / name
        path.write_bytes(path.read_bytes()[:100])
    result = tiny.audit(arguments(photos, out))
    assert result.returncode == 0, result.stderr
    same_tables(whole, out)
