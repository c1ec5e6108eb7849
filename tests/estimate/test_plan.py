"""``xai-audit plan``: what it predicts of an audit is what the audit then has."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import tiny
from xai_audit.config.compose import compose
from xai_audit.estimate.scale import (
    AT_MOST,
    MEASURED,
    PAIRS,
    UNKNOWN,
    Predicted,
    _afforded,
    predicted,
)
from xai_audit.estimate.scale import seconds as seconds_of
from xai_audit.estimate.trial import Measured, _split, tried
from xai_audit.run.paths import RunPaths
from xai_audit.work.attempts import read_attempts

pytestmark = [pytest.mark.xdist_group("estimate"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def command(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("estimate") / "out"
    return tiny.overrides(
        folder, out, tiny.WHOLE, "cues=[border,background]", "adversarial.images=6",
        "adversarial.steps=2", "augmentation.images=6",
    )  # fmt: skip


@pytest.fixture(scope="module")
def plan(command, tmp_path_factory):
    """What ``plan --json`` says, and that it leaves nothing behind."""
    temporary = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        done = tiny.audit(["plan", "--json", *command])
    assert done.returncode == 0, done.stderr
    assert not list(temporary.glob("xai-audit-plan-*"))
    assert not out_of(command).root.exists()
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def finished(command, plan):
    done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    return out_of(command)


def out_of(command):
    (given,) = (word.partition("=")[2] for word in command if word.startswith("output_dir="))
    return RunPaths(Path(given))


def test_parts_and_forwards_are_those_of_the_run(plan, finished):
    planned = json.loads(finished.plan_json.read_text())["stages"]
    run = json.loads(finished.run_json.read_text())
    rows = {row["stage"]: row for row in plan["stages"]}
    assert {name: row["parts"] for name, row in rows.items()} == {
        name: len(parts) for name, parts in planned.items()
    }
    forwards = {name: row["forwards"] for name, row in rows.items() if row["forwards"] is not None}
    spent = sum(forwards.get(name, 0) for name in ("transplant", "carriers", "joint"))
    assert spent == run["evidence"]["forwards"] > 0
    assert forwards["adversarial"] == run["adversarial"]["forwards"] > 0
    assert forwards["augmentation"] == run["augmentation"]["forwards"] == 6 * (2 + 6)
    made = [one for one in read_attempts(finished) if one.stage == "attribute" and one.is_made]
    assert forwards["attribute"] == sum(one.size + one.forwards for one in made) == 18
    assert {row["basis"] for row in rows.values()} == {MEASURED}
    assert (plan["files_found"], plan["photos"], plan["classes"]) == (18, 18, 3)


def test_files_and_bytes_are_those_of_the_run(plan, finished):
    rows = {row["stage"]: row for row in plan["stages"]}
    for stage, folder in {"attribute": finished.attributions, "score": finished.scores}.items():
        sizes = [file.stat().st_size for file in folder.glob("part-*")]
        assert rows[stage]["files"] == len(sizes)
        assert rows[stage]["bytes"] == pytest.approx(sum(sizes), rel=0.01)
    assert plan["other_files"] > 20


def test_hours_are_some_and_fall_with_workers(plan):
    hours = plan["hours"]
    assert [*hours] == ["1", "8"]
    assert all(math.isfinite(each) and each > 0 for each in hours.values())
    assert hours["8"] < hours["1"]


def test_a_few_photos_predict_the_parts_and_bound_the_forwards(command, plan, finished, tmp_path):
    """Nine of 18 photos, three of a class: too few for a transplant, whose cost is a bound."""
    trial = tried(compose(command), tmp_path, photos=9)
    # As if one photo took no less time than all.
    flat = replace(trial.stages["attribute"], once=9.0, work=0.0)
    for stages in (trial.stages, trial.stages | {"attribute": flat}):
        rows = {row.stage: row for row in predicted(replace(trial, stages=stages))}
        assert rows["transplant"].work > 0
    assert rows["transplant"].work == 4 * 2 * 18 * 9.0 / trial.stages["attribute"].forwards
    planned = json.loads(finished.plan_json.read_text())["stages"]
    (spent,) = (row["forwards"] for row in plan["stages"] if row["stage"] == "transplant")
    for stage in ("index", "attribute", "score", "trust", "survey", "transplant", "adversarial"):
        assert rows[stage].parts == len(planned[stage]), stage
    assert rows["attribute"].forwards == 18
    assert rows["index"].basis == MEASURED
    assert rows["transplant"].basis == AT_MOST
    assert rows["transplant"].forwards == 4 * 2 * 18  # two questions of two forwards; two cues
    assert rows["transplant"].forwards >= spent
    assert rows["carriers"].basis == UNKNOWN


def row():
    given = {"stage": "transplant", "parts": 4, "files": 4, "bytes": 1, "forwards": 1000}
    seconds = {"once": 2.0, "work": 80.0, "serial": 3.0}
    return Predicted(**given, **seconds, grows_with=PAIRS, basis=MEASURED)


def test_workers_share_the_parts_and_nothing_else():
    assert [row().seconds(count) for count in (1, 2, 4, 100)] == [85.0, 45.0, 25.0, 25.0]
    assert seconds_of([row(), replace(row(), parts=0, work=0.0, once=0.0)], 2) == 48.0


def test_a_line_through_two_sizes_tells_what_does_not_grow():
    """Closed form: 3 s once and 0.5 s a photo, 1 s fixed and 0.25 s a photo, at 64 and at 8."""

    def of(photos, size):
        return Measured(
            parts=1, size=size, once=0.0, work=3 + 0.5 * photos, fixed=0.0,
            serial=1 + 0.25 * photos, files=1, bytes=1, forwards=None,
        )  # fmt: skip

    for sizes in ((64, 8), (0, 0)):
        split = _split(of(64, sizes[0]), of(8, sizes[1]), 8 / 64)
        seconds = (split.once, split.work, split.fixed, split.serial)
        assert seconds == pytest.approx((3.0, 32.0, 1.0, 16.0))
    assert _split(of(64, 8), of(64, 8), 8 / 64) == of(64, 8)  # of the same sample
    assert _split(of(8, 64), of(64, 8), 8 / 64).work == 0.0  # what is not slower does not grow


def test_noise_of_the_driver_is_not_made_hours_of():
    """Its 0.3 s more with 64 photos than with 8 would be 95 minutes with a million."""
    given = {"parts": 1, "once": 0.0, "work": 1.0, "fixed": 0.0, "files": 1, "bytes": 1}
    some, few = (
        Measured(**given, size=size, serial=serial, forwards=None)
        for size, serial in ((64, 0.5), (8, 0.2))
    )
    split = _split(some, few, 8 / 64)
    assert split.serial == pytest.approx(64 * 1e-4)
    assert split.fixed + split.serial == pytest.approx(0.5)


def test_a_budget_bounds_the_forwards():
    evidence = SimpleNamespace(max_forwards=400)
    full = SimpleNamespace(settings=SimpleNamespace(evidence=evidence))
    cut = _afforded(row(), SimpleNamespace(full=full))
    assert (cut.forwards, cut.work, cut.basis) == (240, 19.2, AT_MOST)  # three fifths of it
    evidence.max_forwards = None
    assert _afforded(row(), SimpleNamespace(full=full)) == row()


@pytest.mark.parametrize(
    ("argument", "words"),
    [("--limit=5", "without dashes: limit=..."), ("regions.border=0.7", "0 to 0.5"), ("x", "x")],
)
def test_a_mistake_is_one_line(argument, words):
    done = tiny.audit(["plan", argument])
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
