from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F

from tests.bench import __main__ as bench
from tests.bench import agreement, invariance, kills, photos, soak, startup, throughput
from tests.bench.child import ChildError, audit_command, finished, shown
from tests.bench.rows import NO_BOUND, Row, skipped, table
from xai_audit.schema import REGIONS

pytestmark = pytest.mark.slow  # of the benches, not of the package
PYTHON = [sys.executable, "-I", "-S", "-c"]


def test_every_bench_of_the_folder_is_registered():
    here = Path(bench.__file__).parent
    found = {p.stem for p in here.glob("*.py") if "\ndef run(shared: Path, " in p.read_text()}
    found |= {p.parent.name for p in here.glob("*/audits.py")}
    assert found == {*bench.BENCHES}
    assert len(bench.BENCHES) == len(found)
    for name in bench.BENCHES:
        assert callable(import_module(f"tests.bench.{name}").run)


def test_table_is_aligned_one_line_a_row():
    rows = [
        Row("long name of a number", "<= 1", "0.5\nand more", met=True, command="a b"),
        Row("short", NO_BOUND, "7", met=True, command=""),
        Row("bad", ">= 2", "1", met=False, command="c"),
        skipped("gone", ">= 2", photos.ABSENT, "d"),
    ]
    assert table(rows).splitlines() == [
        "what                   bound  measured                 met      command",
        "long name of a number  <= 1   0.5 and more             met      a b",
        "short                  -      7                        -",
        "bad                    >= 2   1                        MISSED   c",
        "gone                   >= 2   skipped: no real photos  skipped  d",
    ]


@pytest.mark.parametrize(("met", "code"), [(True, 0), (False, 1)])
def test_exit_code_says_whether_every_bound_is_met(monkeypatch, capsys, met, code):
    def run(shared, quick):
        assert quick
        return [Row("made up", "<= 1", "0", met=met, command="")]

    monkeypatch.setitem(sys.modules, "tests.bench.startup", SimpleNamespace(run=run))
    assert bench.main(["--quick", "startup"]) == code
    assert "made up" in capsys.readouterr().out


def test_a_failing_command_is_a_missed_row(monkeypatch, capsys):
    def run(shared, quick):
        finished([*PYTHON, "import sys; sys.exit('no luck')"])

    monkeypatch.setitem(sys.modules, "tests.bench.startup", SimpleNamespace(run=run))
    assert bench.main(["startup"]) == 1
    assert "exit 1: no luck" in capsys.readouterr().out


def test_an_unknown_name_is_told_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        bench.main(["startup", "sped"])
    assert stop.value.code == 2
    assert "no bench sped; one of startup, memory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["throughput", "invariance", "flowers17", "auto_masks"])
def test_without_real_photos_a_bench_says_that_it_is_skipped(tmp_path, name):
    rows = [*import_module(f"tests.bench.{name}").run(tmp_path, quick=True)]
    assert [(row.measured, row.status) for row in rows] == [("skipped: no real photos", "skipped")]
    assert str(tmp_path) not in rows[0].command


def test_help_row():
    row = startup._help(1)
    assert (row.command, row.bound) == ("python -m xai_audit --help", "< 2 s")
    assert float(row.measured.split()[0]) > 0.05


def test_peak_is_the_child_s_own_and_not_what_this_process_holds():
    held = np.ones(300 * 2**20, np.uint8)  # more than the small child, whatever else is loaded
    small = finished([*PYTHON, "pass"])
    large = finished([*PYTHON, "x = bytearray(150 << 20)"])
    assert held[-1] == 1
    assert small.peak_mib < 60
    assert 150 <= large.peak_mib < 250
    nested = f"import subprocess; subprocess.run({[*PYTHON, 'x = bytearray(150 << 20)']!r})"
    assert finished([*PYTHON, nested]).peak_mib >= 150


def test_seconds_and_output_are_the_command_s():
    done = finished([*PYTHON, "import time; time.sleep(0.3); print('said')"])
    assert done.stdout == "said\n"
    assert 0.3 <= done.seconds < 5
    assert finished([*PYTHON, "raise SystemExit(3)"], check=False).code == 3


def test_a_command_that_takes_too_long_is_killed_with_what_it_started(tmp_path):
    note = tmp_path / "pid"
    inner = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    outer = f"import subprocess; subprocess.run({[*PYTHON, inner]!r})"
    with pytest.raises(ChildError, match="not done after 2 s"):
        finished([*PYTHON, outer], timeout=2)
    deadline = time.monotonic() + 5
    while _alive(int(note.read_text())):
        assert time.monotonic() < deadline, "left behind"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    """Whether ``pid`` runs; one that only waits to be collected by init does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_commands_are_shown_without_places_of_this_machine(tmp_path):
    text = shown(audit_command([f"output_dir={tmp_path}/out", "targets=[label]"]), TMP=tmp_path)
    assert text == "python -m xai_audit output_dir=TMP/out 'targets=[label]'"


def test_copies_come_from_all_classes_in_turn(tmp_path):
    for name, count in (("a", 3), ("b", 1)):
        folder = photos.images(tmp_path) / name
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{number}.jpg").write_text(name)
    target = photos.copied(tmp_path, tmp_path / "out", 3)
    names = sorted(p.relative_to(target).as_posix() for p in target.rglob("*.jpg"))
    assert names == ["a/0.jpg", "a/1.jpg", "b/0.jpg"]


def test_environment_is_the_same_for_every_side(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    env = throughput._environment()
    assert env["OMP_NUM_THREADS"] == "2"
    assert not [name for name in env if name.startswith("MALLOC_")]
    assert env["PATH"] == os.environ["PATH"]


def test_ratio_is_taken_within_a_round():
    rounds = [
        {"xai_audit": _side(1), "plain": _side(2)},
        {"xai_audit": _side(10), "plain": _side(5)},
        {"xai_audit": _side(4), "plain": _side(5)},
    ]
    row = throughput._row("plain", rounds, 8, "here", "command")
    assert row.measured.startswith("1.25x (median of 3, 0.50-2.00), 2.0 against 1.6 images/s")
    assert row.met
    assert not throughput._row("plain", rounds[1:2], 8, "here", "command").met


def _side(seconds: float, predictions: tuple[int, ...] = ()) -> throughput.Side:
    return throughput.Side(seconds, seconds, list(predictions))


def test_sides_that_do_other_work_are_not_compared():
    same, other = _side(1, (0, 1, 2)), _side(1, (0, 1, 1))
    throughput._check_same_work([{"xai_audit": same, "plain": same}], 3)
    with pytest.raises(ChildError, match="xai_audit predicted 2 of 3 photos"):
        throughput._check_same_work([{"xai_audit": other, "plain": same}], 3)
    with pytest.raises(ChildError, match="xai_audit predicted 2 of 3 photos"):
        throughput._check_same_work([{"xai_audit": _side(1, (0, 1)), "plain": same}], 3)


def test_spread_is_the_worst_cell_and_nulls_must_agree():
    one = np.array([[0.1, np.nan], [0.3, 0.4]])
    other = np.array([[0.1, np.nan], [0.25, 0.41]])
    assert invariance._spread([one, other, one]) == pytest.approx(0.05)
    assert invariance._spread([one, np.array([[0.1, 0.2], [0.3, 0.4]])]) == np.inf


def test_slow_upsampling_is_torch_s():
    heatmap = np.random.default_rng(0).random((7, 5))
    size = (agreement.CROP, agreement.CROP)
    expected = F.interpolate(torch.from_numpy(heatmap)[None, None], size=size, mode="bilinear")
    assert np.allclose(agreement._upsampled(heatmap), expected[0, 0].numpy(), atol=1e-12)


def test_slow_regions_by_hand():
    mask = np.full((256, 300), 128, np.uint8)
    mask[16, 38], mask[239, 261] = 255, 0  # the first and the last pixel that the crop shows
    regions = agreement._regions(mask)
    assert set(regions) == set(REGIONS)
    assert np.argwhere(regions["object"]).tolist() == [[0, 0]]
    assert np.argwhere(regions["background"]).tolist() == [[223, 223]]
    # Top and bottom 20.48 px of the photo, 16 of them cropped; left and right none is seen.
    assert regions["border"].sum() == pytest.approx(2 * 4.48 * 224)
    assert regions["corner_top_left"].sum() == pytest.approx((64 - 16) * (64 - 38))
    assert regions["corner_bottom_right"][-1, -1] == 1


def test_without_real_photos_only_the_masses_are_skipped(tmp_path):
    row = agreement._masses(tmp_path, quick=True)
    assert (row.measured, row.bound) == ("skipped: no real photos", "error <= 1e-05")


def test_what_does_not_come_back_after_an_audit_is_told():
    steady = {"memory": 500.0, "handles": 9, "threads": 3, "processes": 0, "temporary": 1}
    told = soak.rows([{**steady, "memory": 400.0}, *[steady] * 11])
    assert [row.met for row in told] == [True] * 6
    assert told[0].measured == "12"
    leaking = soak.rows([{**steady, "memory": 500.0 + 9 * n, "handles": 9 + n} for n in range(12)])
    assert [row.met for row in leaking] == [True, False, False, True, True, True]
    assert leaking[2].measured == "6 (9 after the first, 20 after the last)"


def test_tables_that_a_kill_would_leave_otherwise_are_named(tmp_path):
    for name, value in (("one", 1), ("other", 1), ("third", 2)):
        (tmp_path / name / "scores").mkdir(parents=True)
        pq.write_table(pa.table({"a": [value]}), tmp_path / name / "scores" / "part-0.parquet")
    pq.write_table(pa.table({"a": [0]}), tmp_path / "third" / "evidence.parquet")
    assert kills.different(tmp_path / "one", tmp_path / "other") == []
    found = kills.different(tmp_path / "one", tmp_path / "third")
    assert found == ["evidence.parquet", "scores/part-0.parquet"]
