"""Masks that a network makes: made once, kept, and marked in every sentence that rests on them."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from tests import tiny
from tests.evidence import framed
from xai_audit.report.in_short import in_short
from xai_audit.report.summary import write_summary
from xai_audit.run.reader import Run

MARK = " (by masks that a network made)"
MIDDLE = "masks.factory=tests.masks.segmenters:middle"
AUTO = ("masks=auto", MIDDLE, "masks.size=80")


def audited(photos, out, *more):
    """An audit by the background of a network that reads the frame in it; what it logs."""
    words = framed.overrides(photos, out, "reading_net", "cues=[background]")
    if "masks=auto" in more:
        words = [w for w in words if not w.startswith(("masks.root=", "masks=folder"))]
    few = ["compute.part_size=16", "evidence.permutations=10", "evidence.images_per_class=8"]
    done = tiny.audit([*words, *few, "stages=[index,attribute,score,evidence]", *more])
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return framed.make_folder(tmp_path_factory.mktemp("framed"), 10)


@pytest.fixture(scope="module")
def made(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "out"
    return out, audited(photos, out, *AUTO)


@pytest.fixture(scope="module")
def given(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("given") / "out"
    return out, audited(photos, out)


def evidence(out):
    return pd.read_parquet(out / "evidence.parquet").set_index("class_name")


def test_the_cue_is_confirmed_and_its_sentence_is_marked(made, given):
    """The network's masks are those that are given, so that the mark is all that differs."""
    of_made, of_given = evidence(made[0]), evidence(given[0])
    assert of_made.loc["framed", "verdict"] == "confirmed"
    assert of_made["masks_made"].all()
    assert not of_given["masks_made"].any()
    for name, text in of_given["because"].items():
        assert text.endswith(".")
        assert "network" not in text
        assert of_made.loc[name, "because"] == f"{text[:-1]}{MARK}."
    numbers = of_given.select_dtypes("number").columns
    pd.testing.assert_frame_equal(of_made[numbers], of_given[numbers])


def test_log_summary_and_gate_mark_it_too(made, given):
    short, plain = (in_short(Run(out)) for out, _ in (made, given))
    assert f"its background{MARK}. When every cue at once" in short.lead
    assert short.lead.count(MARK) == 2  # also of accuracy, by the object alone
    assert short.lead.replace(MARK, "") == plain.lead
    assert "confirmed: framed by its background, effect " in made[1]
    assert MARK in next(line for line in made[1].splitlines() if "confirmed: framed" in line)
    assert "network" not in given[1]
    for (out, _), mark in ((made, MARK), (given, "")):
        run = Run(out)
        found = write_summary(run)
        assert found["masks"] == ("made" if mark else "given")
        page = run.paths.summary_md.read_text()
        assert f"| Accuracy by the object alone{mark} |" in page
        assert (MARK in page) == bool(mark)
        assert found["findings"][0]["because"].endswith(f"{mark}.")


def test_run_json_holds_the_origin(made, given):
    noted = json.loads((made[0] / "run.json").read_text())["masks"]
    by = MIDDLE.removeprefix("masks.factory=")
    assert noted == {"origin": "made", "by": by, "made": 30, "refused": {}}
    assert json.loads((given[0] / "run.json").read_text())["masks"] == {"origin": "given"}
    assert not (given[0] / "masks").exists()
    assert "masks: " in made[1]


def test_they_are_made_once(made, photos, tmp_path, monkeypatch):
    """Neither the same command makes them again nor one that scores with other regions."""
    monkeypatch.setattr("xai_audit.masks._segmenter.segmenter", lambda *_: pytest.fail("made"))
    out = shutil.copytree(made[0], tmp_path / "out")
    audited(photos, out, *AUTO)
    audited(photos, out, *AUTO, "regions.border=0.1", "stages=[score]")
    assert json.loads((out / "run.json").read_text())["masks"]["origin"] == "made"


def test_a_command_that_only_scores_makes_them_where_others_were_used(given, photos, tmp_path):
    """The same masks by another way: the same scores, without the audited model."""
    out = shutil.copytree(given[0], tmp_path / "out")
    audited(photos, out, *AUTO, "stages=[score]")
    scores, before = (pd.read_parquet(place / "scores") for place in (out, given[0]))
    pd.testing.assert_frame_equal(scores, before)
    assert len(list((out / "masks").iterdir())) == 2


def test_a_lost_part_is_made_anew_with_the_same_bytes(made, photos, tmp_path):
    out = shutil.copytree(made[0], tmp_path / "out")
    lost = sorted((out / "masks").iterdir())[1]
    before = lost.read_bytes()
    lost.unlink()
    audited(photos, out, *AUTO, "stages=[index]")
    assert lost.read_bytes() == before


def test_refused_masks_are_counted_and_their_photos_explained(photos, tmp_path):
    """Of photos that are wider the same disc has a smaller share: .196, .175, .157 of the photo."""
    out = tmp_path / "out"
    log = audited(photos, out, *AUTO, "masks.min_share=0.17", "stages=[index,attribute,score]")
    noted = json.loads((out / "run.json").read_text())["masks"]
    assert (noted["made"], noted["refused"]) == (21, {"covers_little": 9})
    assert "made 21 of 30; refused: 9 covers_little" in log
    scores = pd.read_parquet(out / "scores").drop_duplicates("image_id")
    assert (scores["mask_status"] == "covers_little").sum() == 9
    assert len(scores) == 30


def test_none_usable_ends_the_run_with_the_reason(photos, tmp_path):
    words = framed.overrides(photos, tmp_path, "reading_net", *AUTO, "masks.min_share=0.9")
    words = [w for w in words if not w.startswith(("masks.root=", "masks=folder"))]
    done = tiny.audit([*words, "stages=[index,attribute,score]"])
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert "no photo has a usable object mask: 30 photos" in line
    assert "got 30 covers_little, as it covers " in line
    assert "masks.min_share" in line
