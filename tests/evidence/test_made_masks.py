"""Masks that a network makes: made once, kept, and marked in every sentence that rests on them."""

from __future__ import annotations

import json
import re
import shutil

import pandas as pd
import pytest

import xai_audit
from tests import tiny
from tests.evidence import framed
from xai_audit.compare.answer import lines
from xai_audit.compare.comparison import compare
from xai_audit.masks.auto import AutoMasks
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
    few += ["discover.min_images=5", "discover.min_clustered=5", "report.explore_images=4"]
    done = tiny.audit([*words, *few, "stages=[index,attribute,score,evidence]", *more])
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return framed.make_folder(tmp_path_factory.mktemp("framed"), 10)


@pytest.fixture(scope="module")
def made(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "out"
    every = "stages=[index,attribute,score,discover,evidence,boundary,augmentation,flag,report]"
    return out, audited(photos, out, *AUTO, every, "augmentation.images=6")


@pytest.fixture(scope="module")
def given(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("given") / "out"
    return out, audited(photos, out)


def evidence(out):
    rows = pd.read_parquet(out / "evidence.parquet")
    return rows[rows["cue"] == "background"].set_index("class_name")  # not what was discovered


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
    numbers = [name for name in numbers if not name.endswith("_q")]  # of discovered cells, too
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


def said(page):
    """The text of each paragraph, list item and caption of a page, without captions of photos."""
    html = page.read_text(encoding="utf-8")
    blocks = re.findall(r"<(p|li|caption|figcaption|summary)\b[^>]*>(.*?)</\1>", html, re.S)
    texts = [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for _, text in blocks]
    return [text for text in texts if not text.startswith(("\N{CHECK MARK}", "With "))]


def test_every_sentence_of_the_report_with_a_number_by_masks_is_marked(made):
    texts = [text for page in made[0].glob("report/**/*.html") for text in said(page)]
    by_masks = [t for t in texts if re.search(r"\b(object|background)\b.*\d|\d.*\bobject\b", t)]
    assert len(by_masks) > 5
    assert [text for text in by_masks if "that a network made" not in text] == []
    by = MIDDLE.removeprefix("masks.factory=")
    html = (made[0] / "report" / "index.html").read_text(encoding="utf-8")
    assert f"made by the network {by}, not given: 30 photos" in html


def test_confused_classes_and_a_shown_photo_mark_it_too(made):
    rows = pd.read_parquet(made[0] / "boundaries.parquet")
    for row in rows[rows["n_images"] > 0].itertuples():
        assert row.because.endswith(f"{MARK}.")
    shown = xai_audit.load(made[0]).show("framed/007.png").rows
    assert shown["relevance"].endswith(MARK)
    assert shown["flagged"].endswith(MARK)  # the peak lies off the object
    assert shown["confirmed of framed"].endswith(f"{MARK}.")


def test_a_comparison_marks_what_either_run_made(made, given):
    found = compare([Run(given[0]), Run(made[0])])
    cells = found.table[found.table["cue"] == "background"]
    assert len(cells) == 3
    assert cells["masks_made"].all()
    assert all(text.endswith(f"{MARK}.") for text in cells["because"])
    by_object = next(text for text in lines(found) if "by the object alone" in text)
    assert f"alone{MARK} " in by_object
    assert f"framed by its background{MARK}" in lines(found)[0]


def test_run_json_holds_the_origin(made, given):
    noted = json.loads((made[0] / "run.json").read_text())["masks"]
    by = MIDDLE.removeprefix("masks.factory=")
    assert noted == {"origin": "made", "by": by, "made": 30, "refused": {}}
    assert json.loads((given[0] / "run.json").read_text())["masks"] == {"origin": "given"}
    assert not (given[0] / "masks").exists()
    assert "masks: " in made[1]


def test_they_are_made_once(made, photos, tmp_path, monkeypatch):
    """Neither the same command makes them again nor one that scores with other regions."""
    monkeypatch.setattr(AutoMasks, "make", lambda *_: pytest.fail("made"))
    out = shutil.copytree(made[0], tmp_path / "out")
    log = audited(photos, out, *AUTO)
    assert "index: 30 files" not in log  # nor is the stage before them run again
    audited(photos, out, *AUTO, "regions.border=0.1", "stages=[score]")
    assert json.loads((out / "run.json").read_text())["masks"]["origin"] == "made"


def test_a_command_that_only_scores_makes_them_where_others_were_used(given, photos, tmp_path):
    """The same masks by another way: the same scores, without the audited model."""
    out = shutil.copytree(given[0], tmp_path / "out")
    audited(photos, out, *AUTO, "stages=[score]")
    scores, before = (pd.read_parquet(place / "scores") for place in (out, given[0]))
    pd.testing.assert_frame_equal(scores, before)
    assert len(list((out / "masks").iterdir())) == 2


def test_masks_that_are_given_next_are_given(made, photos, tmp_path):
    out = shutil.copytree(made[0], tmp_path / "out")
    audited(photos, out, "stages=[score]")
    assert json.loads((out / "run.json").read_text())["masks"] == {"origin": "given"}


def test_a_lost_part_is_made_anew_with_the_same_bytes(made, photos, tmp_path):
    out = shutil.copytree(made[0], tmp_path / "out")
    lost = sorted((out / "masks").iterdir())[1]
    before = lost.read_bytes()
    lost.unlink()
    audited(photos, out, *AUTO, "stages=[index]")
    assert lost.read_bytes() == before


def test_a_run_that_was_cut_off_makes_the_rest(made, photos, tmp_path, monkeypatch):
    whole, count = AutoMasks.make, 0

    def cut(self, photo, image):
        nonlocal count
        count += 1
        if count == 20:
            raise RuntimeError("cut off")
        return whole(self, photo, image)

    monkeypatch.setattr(AutoMasks, "make", cut)
    with pytest.raises(AssertionError, match="cut off"):
        audited(photos, tmp_path / "out", *AUTO, "stages=[index]")
    assert len(list((tmp_path / "out" / "masks").glob("part-*"))) == 1
    count = 20
    audited(photos, tmp_path / "out", *AUTO, "stages=[index]")
    assert count - 20 == 14  # of 30 photos, 16 in a part
    for part in (made[0] / "masks").iterdir():
        assert (tmp_path / "out" / "masks" / part.name).read_bytes() == part.read_bytes()


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
    assert "remedy: a network that knows these objects (masks.weights, masks.arch)" in line
