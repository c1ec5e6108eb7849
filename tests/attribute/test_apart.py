"""Expensive methods have parts of their own: kept when the run is killed, and when one is added."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests import tiny
from tests.attribute.test_kept import SEEN
from xai_audit.attribute import chance

KEYS = ["image_id", "method", "target_kind"]
SMALL = (
    "method_args.lime.samples=20", "method_args.lime.superpixels=grid",
    "method_args.lime.pieces=9",
)  # fmt: skip
RISE = ("method_args.rise.samples=12",)
TABLES = ("attributions", "scores")
# gradcam and saliency share three parts of 5 and a fourth of 3; rise and lime have four each.
SPANS = 4


def audited(folder, out, *more):
    done = tiny.audit(tiny.overrides(folder, out, *more))
    assert done.returncode == 0, done.stderr
    return done.stderr


def stamps(out):
    return {
        path.relative_to(out).as_posix(): path.stat().st_mtime_ns
        for name in TABLES
        for path in sorted((out / name).glob("part-*"))
    }


def rows(out, name, methods=None):
    frame = pd.read_parquet(out / name)
    assert not frame.duplicated(KEYS).any()
    frame = frame if methods is None else frame[frame["method"].isin(methods)]
    return frame.sort_values(KEYS, ignore_index=True)


def equal(one, other, methods=None):
    for name in TABLES:
        left, right = rows(one, name, methods), rows(other, name, methods)
        pd.testing.assert_frame_equal(left, right, check_dtype=False)  # of a column with a null


def methods_of(out):
    return [
        sorted({*pq.read_table(path, columns=["method"]).column("method").to_pylist()})
        for path in sorted((out / "attributions").glob("part-*"))
    ]


@pytest.fixture(scope="module")
def several(folder, tmp_path_factory):
    """A run of four methods, and what it logged."""
    out = tmp_path_factory.mktemp("several") / "out"
    said = audited(folder, out, "methods=[lime,gradcam,rise,saliency]", *SMALL, *RISE)
    return out, said


def test_the_cheap_are_made_together_and_first_the_others_by_cost(several):
    out, said = several
    expected = [["gradcam", "saliency"]] * SPANS + [["rise"]] * SPANS + [["lime"]] * SPANS
    assert methods_of(out) == expected
    times = [path.stat().st_mtime_ns for path in sorted((out / "attributions").glob("part-*"))]
    assert times == sorted(times)
    order = "attribute: gradcam with saliency, then rise, then lime, each kept as it is finished"
    assert order in said
    assert "attribute: 18 of 18 images" in said


@pytest.mark.parametrize("method", ["gradcam", "saliency", "rise", "lime"])
def test_the_rows_are_those_of_a_run_of_one_method(several, folder, tmp_path, method):
    more = {"lime": SMALL, "rise": RISE}.get(method, ())
    audited(folder, tmp_path / "one", f"methods=[{method}]", *more)
    equal(several[0], tmp_path / "one", [method])


def test_the_record_counts_every_photo_once(several):
    record = json.loads((several[0] / "run.json").read_text())
    assert record["counts"]["ok"] == 18
    plan = json.loads((several[0] / "plan.json").read_text())["stages"]["attribute"]
    assert sum(part["size"] for part in plan) == 18


def test_what_was_made_before_a_kill_is_not_made_again(folder, tmp_path):
    out = tmp_path / "out"
    methods = ("methods=[lime,gradcam]", *SMALL, "limit=9", "model.factory=tests.tiny:slow_net")
    command = tiny.overrides(folder, out, *methods)
    process = tiny.started(command, out, "attributions", 3)  # two of gradcam, one of lime
    process.kill()
    process.wait()
    assert methods_of(out) == [["gradcam"], ["gradcam"], ["lime"]]
    before = stamps(out)
    assert len(before) >= 6  # and their scores
    done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    after = stamps(out)
    assert {name: after[name] for name in before} == before
    assert methods_of(out) == [["gradcam"], ["gradcam"], ["lime"], ["lime"]]
    counts = rows(out, "scores").groupby("method")["image_id"].nunique()
    assert counts.to_dict() == {"gradcam": 9, "lime": 9}


def test_a_method_that_is_added_leaves_the_others_alone(folder, several, tmp_path, monkeypatch):
    judged, checked = [], chance.checked
    monkeypatch.setattr(chance, "checked", lambda *a: judged.append(a[1]) or checked(*a))
    out = tmp_path / "out"
    audited(folder, out, "methods=[gradcam,saliency]")
    before = stamps(out)
    audited(folder, out, "methods=[gradcam,saliency,lime]", *SMALL)
    after = stamps(out)
    assert {name: after[name] for name in before} == before
    assert methods_of(out) == [["gradcam", "saliency"]] * SPANS + [["lime"]] * SPANS
    assert [file.name for file in judged[-1]] == [f"part-{n:05d}.parquet" for n in range(SPANS)]
    # One between them: the parts of lime have other numbers now, and its rows are those before.
    seen = pd.read_parquet(out / "attributions", filters=[("method", "==", "lime")])
    said = audited(folder, out, "methods=[gradcam,saliency,lime,rise]", *SMALL, *RISE)
    assert methods_of(out)[-1] == ["lime"]
    assert {name: stamps(out)[name] for name in before} == before
    now = pd.read_parquet(out / "attributions", filters=[("method", "==", "lime")])
    pd.testing.assert_frame_equal(now, seen)
    assert not [*(out / "kept").iterdir()]
    equal(out, several[0])
    assert json.loads((out / "run.json").read_text())["identity"]["methods"] == [
        "gradcam", "saliency", "lime", "rise"
    ]  # fmt: skip
    assert "Traceback" not in said


def test_a_method_that_is_left_out_is_another_audit(folder, several):
    done = tiny.audit(tiny.overrides(folder, several[0], "methods=[gradcam,saliency]"))
    assert done.returncode == 2
    assert "the output folder holds another audit" in done.stderr


def test_shares_of_two_processes_are_the_bytes_of_one(folder, tmp_path):
    more = ("methods=[lime,gradcam]", *SMALL, "limit=9")
    out, one = tmp_path / "out", tmp_path / "one"
    audited(folder, one, *more)
    audited(folder, out, *more, "stages=[index]")
    audited(folder, out, *more, "engine.workers=0")
    for share in ("1/2", "0/2"):
        audited(folder, out, *more, f"shard={share}")
    assert methods_of(out) == methods_of(one) == [["gradcam"]] * 2 + [["lime"]] * 2
    audited(folder, out, *more)
    for name in TABLES:
        for path in (one / name).glob("part-*"):
            assert path.read_bytes() == (out / name / path.name).read_bytes(), path


def test_another_selection_takes_the_heatmaps_of_every_group(folder, tmp_path):
    more = ("methods=[lime,gradcam]", *SMALL)
    more += ("model.factory=tests.attribute.test_kept:counting_net",)
    out = tmp_path / "out"

    def forwards(*keys):
        SEEN.clear()
        audited(folder, out, *more, *keys)
        return sum(SEEN)

    first = forwards("limit=9")
    before = rows(out, "attributions")
    opening = forwards("limit=9")
    assert first - opening > 9 * 20
    assert forwards("limit=6") == opening
    assert len(rows(out, "attributions")) == len(before) * 6 / 9
    assert forwards("limit=9") == opening
    pd.testing.assert_frame_equal(rows(out, "attributions"), before)
