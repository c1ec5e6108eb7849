"""The stage through the command: what a user finds on disk, and what the evidence makes of it."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests import tiny
from xai_audit.faithfulness.output import DRAWS
from xai_audit.run.files import read_json
from xai_audit.schema import METHODS, RANDOM, TRUST

MORE = ("methods=[gradcam,saliency]", "trust.images=12", "trust.steps=4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.make_folder(tmp_path_factory.mktemp("photos"))


def audit(folder, out, *more):
    done = tiny.audit(tiny.overrides(folder, out, *MORE, *more))
    assert done.returncode == 0, done.stderr
    return done


def test_each_method_is_checked_once_and_only_what_changed_is_checked_again(folder, tmp_path):
    out = tmp_path / "out"
    audit(folder, out, "stages=[index,trust]")
    table = pq.read_table(out / "methods.parquet")
    assert table.schema.equals(METHODS)
    assert table.column("method").to_pylist() == [RANDOM, "gradcam", "saliency"]
    assert table.column("n_images").to_pylist() == [12, 12, 12]
    parts = sorted((out / "trust").glob("part-*.parquet"))
    assert len(parts) == 3 * DRAWS
    whole = pd.concat([pq.read_table(part).to_pandas() for part in parts])
    assert list(whole.columns) == TRUST.names
    assert whole.groupby(["method", "class_name"]).size().eq(4).all()

    before = [part.stat().st_mtime_ns for part in parts]
    audit(folder, out, "stages=[index,trust]", "trust.max_similarity=0.9")
    assert [part.stat().st_mtime_ns for part in parts] == before
    parts[DRAWS + 1].unlink()
    audit(folder, out, "stages=[index,trust]", "trust.max_similarity=0.7")
    after = [part.stat().st_mtime_ns for part in parts]
    made = [number for number in range(len(parts)) if after[number] != before[number]]
    assert made == [DRAWS + 1]
    pd.testing.assert_frame_equal(
        pq.read_table(out / "methods.parquet").to_pandas(), table.to_pandas()
    )


def test_attention_of_a_method_that_fails_supports_no_verdict(folder, tmp_path):
    out = tmp_path / "out"
    weak = (tiny.WHOLE, "evidence.min_attention=0", "evidence.q=1", "evidence.min_availability=1")
    audit(folder, out, *weak)
    before = pd.read_parquet(out / "evidence.parquet")
    assert before["attention_trusted"].eq(True).all()
    assert before["attention_q"].notna().any()
    assert "suspected" in set(before["verdict"])
    done = audit(folder, out, *weak, "trust.max_similarity=-1")
    assert "its attention supports no verdict" in done.stderr
    after = pd.read_parquet(out / "evidence.parquet")
    assert after["attention_trusted"].eq(False).all()
    assert after["attention_q"].isna().all()
    assert after["attention"].equals(before["attention"])
    assert "suspected" not in set(after["verdict"])
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "not to be trusted" in page
    assert "trust_seconds" in read_json(out / "run.json")["timings"]


def test_nothing_to_explain_is_refused_before_the_model_loads(folder, tmp_path):
    given = tiny.overrides(folder, tmp_path / "out", "trust.images=0")
    done = tiny.audit(given)
    assert done.returncode == 2
    assert "trust.images" in done.stderr


@pytest.mark.parametrize(
    "change", ["trust.steps=5", "trust.images=13", "seed=1", "targets=[pred]", "model.head=sigmoid"]
)
def test_a_setting_that_a_check_depends_on_checks_again(folder, tmp_path, change):
    out, stages = tmp_path / "out", "stages=[index,trust]"
    audit(folder, out, stages)
    before = {part: part.stat().st_mtime_ns for part in (out / "trust").glob("part-*.parquet")}
    audit(folder, out, stages, change)
    after = {part: part.stat().st_mtime_ns for part in (out / "trust").glob("part-*.parquet")}
    assert before.keys() == after.keys()
    assert not {*before.values()} & {*after.values()}


def test_a_method_less_leaves_no_part_behind(folder, tmp_path):
    out = tmp_path / "out"
    tiny.audit(tiny.overrides(folder, out, *MORE, "stages=[index,trust]"))
    assert len(list((out / "trust").glob("*"))) == 3 * DRAWS
    (out / "trust" / "part-00099.parquet").write_bytes((out / "methods.parquet").read_bytes())
    (out / "trust" / "part-00000.parquet").unlink()
    audit(folder, out, "stages=[index,trust]", "trust.steps=6")
    assert len(list((out / "trust").glob("*"))) == 3 * DRAWS
