"""Pairs measured before are not measured again, and the tables are those of a fresh run."""

from __future__ import annotations

import json
import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import tiny
from tests.evidence import framed
from xai_audit.evidence.cells import ALL
from xai_audit.evidence.store import borrow
from xai_audit.evidence.transplant import Transplanter
from xai_audit.run.files import write_json, write_table
from xai_audit.run.paths import RunPaths

_CUES = ("cues=[border]", "cues=[border,colour]")


@pytest.fixture
def photos(tmp_path):
    return framed.make_folder(tmp_path / "photos")


@pytest.fixture
def measured(monkeypatch):
    """The pairs that went through the model."""
    found = []
    plain = Transplanter._fresh

    def fresh(self, pairs):
        found.extend(pairs)
        return plain(self, pairs)

    monkeypatch.setattr(Transplanter, "_fresh", fresh)
    return found


@pytest.fixture
def run(photos, tmp_path, measured):
    """Audits into the folder of a name; the pairs that it measured."""

    def audited(name, *more):
        measured.clear()
        done = tiny.audit(framed.overrides(photos, tmp_path / name, "reading_net", *more))
        assert done.returncode == 0, done.stderr
        return list(measured)

    return audited


def same_tables(one, other):
    for name in ("evidence.parquet", "transplants", "carriers.parquet", "pulls.parquet"):
        tables = [pd.read_parquet(folder / name) for folder in (one, other)]
        pd.testing.assert_frame_equal(*tables, rtol=1e-3, atol=1e-4)


def test_one_more_cue_measures_that_cue_alone(run, tmp_path):
    first = run("out", _CUES[0])
    assert {pair.cue for pair in first} == {"border", ALL}
    second, fresh = run("out", _CUES[1]), run("fresh", _CUES[1])
    # What all cues at once do is another question with another list of them.
    added = {"colour", ALL}
    assert {pair.cue for pair in second if pair.given is None} == added
    assert {*second} == {pair for pair in fresh if pair.cue in added or pair.given == "colour"}
    same_tables(tmp_path / "out", tmp_path / "fresh")
    assert not run("out", _CUES[0])  # nor is anything on the way back


def test_fewer_cues_are_what_tables_and_report_say_and_the_others_stay_stored(run, tmp_path):
    """What a command asks for is what its tables hold; asking for all again measures nothing."""
    out, page = tmp_path / "out", tmp_path / "out" / "report" / "index.html"
    whole = "stages=[index,attribute,score,evidence,flag,report]"
    assert run("out", _CUES[1], whole)
    before = pd.read_parquet(out / "evidence.parquet")
    # All cues at once are other pairs now; those of the border are known.
    assert {pair.cue for pair in run("out", _CUES[0], whole)} == {ALL}
    few = pd.read_parquet(out / "evidence.parquet")
    assert {*few["cue"]} == {"border"}
    assert {*pd.read_parquet(out / "transplants")["cue"]} == {"border", ALL}
    assert {*pd.read_parquet(out / "carriers.parquet")["cue"]} <= {"border"}
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["evidence"]["requested_cues"] == ["border"]
    assert "Only 1 cue was examined, as requested: border." in page.read_text(encoding="utf-8")
    # The report alone, with other cues: it tells those of the tables that it shows.
    assert not run("out", _CUES[1], "stages=[report]")
    assert "Only 1 cue was examined, as requested: border." in page.read_text(encoding="utf-8")
    assert not run("out", _CUES[1], whole)
    pd.testing.assert_frame_equal(pd.read_parquet(out / "evidence.parquet"), before)
    said = "Only 2 cues were examined, as requested: border, colour cast."
    assert said in page.read_text(encoding="utf-8")


def test_more_pairs_and_a_larger_budget_measure_the_missing_ones(run, tmp_path):
    border, every = _CUES[0], "evidence.sequential=false"
    few = run("out", border, every, "evidence.images_per_class=8", "evidence.max_forwards=200")
    more = run("out", border, every, "evidence.images_per_class=8")
    fresh = run("fresh", border, every, "evidence.images_per_class=8")
    assert few
    assert {*few} | {*more} == {*fresh}
    assert not {*few} & {*more}
    same_tables(tmp_path / "out", tmp_path / "fresh")
    assert not run("out", border, every, "evidence.images_per_class=8", "evidence.max_forwards=200")


def test_a_changed_photo_is_measured_again(run, photos):
    run("out", _CUES[0])
    changed = min((photos / "images").rglob("*.*"))
    os.utime(changed, ns=(1, 1))
    name = changed.relative_to(photos / "images").as_posix()
    again = run("out", _CUES[0])
    assert again
    assert all(name in pair.photos for pair in again)


def test_another_width_of_the_border_is_another_cue(run):
    run("out", _CUES[0])
    wide = _CUES[0], "regions.border=0.12"
    assert {*run("out", *wide)} == {*run("fresh", *wide)}


def test_a_sweep_measures_the_pairs_of_all_methods_once(photos, tmp_path, measured):
    line = framed.overrides(photos, tmp_path / "out", "reading_net", _CUES[0], "methods=null")
    done = tiny.audit(["-m", *line, "method=gradcam,saliency"])
    assert done.returncode == 0, done.stderr
    swept = [*measured]
    assert len({*swept}) == len(swept) > 0
    alone = framed.overrides(photos, tmp_path / "alone", "reading_net", _CUES[0], "methods=null")
    assert tiny.audit([*alone, "method=saliency"]).returncode == 0
    same_tables(tmp_path / "out" / "method-saliency", tmp_path / "alone")


@pytest.mark.parametrize(
    ("theirs", "are_lent"),
    [
        ({"methods": ["lime"]}, True),
        ({"model.checkpoint": "other.pth"}, False),
        ({"dataset.root": "elsewhere"}, False),
    ],
)
def test_pairs_of_the_same_photos_and_model_alone_are_lent(tmp_path, theirs, are_lent):
    mine = {"dataset.root": "photos", "model.checkpoint": "net.pth", "methods": ["gradcam"]}
    lender, paths = RunPaths(tmp_path / "a"), RunPaths(tmp_path / "b")
    write_json(lender.run_json, {"identity": mine | theirs})
    for number in (0, 1):
        write_table(RunPaths.part(lender.pairs, number), pa.table({"p": [number]}))
    own = RunPaths.part(paths.pairs, 1)
    write_table(own, pa.table({"p": [7]}))
    borrow(paths, [tmp_path / "nothing", lender.root], mine)
    assert RunPaths.part(paths.pairs, 0).exists() == are_lent
    assert pq.read_table(own).column("p").to_pylist() == [7]
