"""The whole command: a planted shortcut is found and named, a clean control is not."""

from __future__ import annotations

import json
import os
import shutil

import pandas as pd
import pytest
from PIL import Image

from tests import tiny
from tests.evidence import framed
from xai_audit.evidence import measure, transplant
from xai_audit.evidence.stages import transplant as transplant_stage
from xai_audit.run.verdicts import cue_words
from xai_audit.schema import EVIDENCE, TRANSPLANTS
from xai_audit.vision import decode

pytestmark = pytest.mark.xdist_group("evidence")  # they share a run

CUES = "cues=[border,corner_top_left,background,brightness,sharpness,file]"


@pytest.fixture(scope="module")
def photos(framed_photos):
    return framed_photos


@pytest.fixture(scope="module")
def audited(photos, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "reading"
    done = tiny.audit(framed.overrides(photos, output, "reading_net", CUES, tiny.WHOLE))
    assert done.returncode == 0, done.stderr
    return output


def stamps(output, folder="transplants"):
    """When each part was written."""
    parts = sorted((output / folder).glob("*.parquet"))
    assert parts
    return {path.name: path.stat().st_mtime_ns for path in parts}


def evidence(output):
    return pd.read_parquet(output / "evidence.parquet").set_index(["class_name", "cue"])


def test_the_planted_frame_is_confirmed_and_named_and_nothing_else(audited):
    table = evidence(audited)
    confirmed = table.index[table["verdict"] == "confirmed"].tolist()
    assert confirmed == [("framed", "border")]
    row = table.loc["framed", "border"]
    assert row["reliance"] > 0.8
    assert row["reliance_low"] > 0.5
    assert row["availability"] > 0.95
    assert row["reliance_q"] < 0.01
    assert "border" in row["because"]
    assert "framed" in row["because"]


def test_the_wider_cue_is_explained_by_the_narrower(audited):
    row = evidence(audited).loc["framed", "background"]
    assert row["reliance"] > 0.8
    assert row["verdict"] != "confirmed"
    assert row["explained_by"] == "border"


def test_the_rival_is_not_called_reliant(audited):
    row = evidence(audited).loc["plain", "border"]
    assert abs(row["reliance"]) < 0.05


def test_every_class_and_cue_has_one_row_and_a_sentence(audited):
    table = pd.read_parquet(audited / "evidence.parquet")
    assert list(table.columns) == EVIDENCE.names
    cells = table[~table["cue"].str.startswith("cluster")]
    assert len(cells) == 3 * 6
    assert not table.duplicated(["class_name", "cue", "method"]).any()
    for row in cells.itertuples():
        assert cue_words(row.cue) in row.because, row
        assert row.because.endswith(".")
    assert set(table[table["cue"] == "file"]["verdict"]) <= {"available", "clear"}


def test_summary_tells_what_rests_on_cues(audited):
    summary = pd.read_parquet(audited / "summary.parquet").set_index("cue")
    assert summary.loc["border", "worst_class"] == "framed"
    assert summary.loc["border", "worst_gap"] == pytest.approx(1.0)
    assert summary.loc["all", "gap"] > 0.2
    table = evidence(audited)
    assert table.loc["framed", "border"]["core_accuracy"] == 0  # only the frame told it


def test_transplants_are_a_table_and_cost_what_is_promised(audited):
    pairs = pd.read_parquet(audited / "transplants")
    assert list(pairs.columns) == TRANSPLANTS.names
    content = json.loads((audited / "run.json").read_text())
    # Two a pair, less the views that pairs of one photo share.
    assert len(pairs) < content["evidence"]["forwards"] <= 2 * len(pairs)
    assert content["timings"]["evidence_seconds"] > 0


def test_a_model_that_does_not_read_the_frame_is_not_accused(photos, tmp_path):
    done = tiny.audit(framed.overrides(photos, tmp_path / "blind", "blind_net", CUES))
    assert done.returncode == 0, done.stderr
    table = evidence(tmp_path / "blind")
    assert "confirmed" not in set(table["verdict"])
    assert table.loc["framed", "border"]["verdict"] in ("available", "suspected")


def test_parts_that_stand_are_not_measured_again(photos, bordered, tmp_path):
    command = framed.overrides(photos, tmp_path / "again", "reading_net", "cues=[border]")
    shutil.copytree(bordered, tmp_path / "again")
    first = (tmp_path / "again" / "evidence.parquet").read_bytes()
    before = stamps(tmp_path / "again")
    (tmp_path / "again" / "evidence.parquet").unlink()
    assert tiny.audit(command).returncode == 0
    assert stamps(tmp_path / "again") == before
    assert (tmp_path / "again" / "evidence.parquet").read_bytes() == first


def test_every_pair_is_spent_where_that_is_asked_for(photos, tmp_path):
    command = framed.overrides(photos, tmp_path / "all", "blind_net", "cues=[border]")
    done = tiny.audit([*command, "evidence.sequential=false"])
    assert done.returncode == 0, done.stderr
    pairs = pd.read_parquet(tmp_path / "all" / "transplants")
    spent = pairs.groupby(["class_name", "cue", "question"]).size()
    assert set(spent.loc[:, "border", "reliance"]) == {14}
    assert set(spent.loc[:, "border", "pull"]) == {14}


def test_the_budget_bounds_the_pairs(photos, tmp_path):
    command = framed.overrides(photos, tmp_path / "few", "blind_net", "cues=[border]")
    done = tiny.audit([*command, "evidence.sequential=false", "evidence.images_per_class=8"])
    assert done.returncode == 0, done.stderr
    pairs = pd.read_parquet(tmp_path / "few" / "transplants")
    planned = pairs[pairs["question"].isin(["reliance", "pull"])]
    assert {*planned.groupby(["class_name", "cue"]).size()} == {8}


def test_a_threshold_is_arithmetic_and_another_cue_is_not(photos, bordered, tmp_path, monkeypatch):
    out, command = tmp_path / "more", framed.overrides(photos, tmp_path / "more", "reading_net")
    shutil.copytree(bordered, out)
    assert evidence(out).loc["framed", "border"]["verdict"] == "confirmed"
    folders = ("survey", "availability", "attention", "effects")
    before = [stamps(out), *(stamps(out, f"evidence/{name}") for name in folders)]
    with monkeypatch.context() as patch:
        patch.setattr(decode, "decode", None)  # no photo is needed
        patch.setattr(transplant, "Transplanter", None)
        more = ("evidence.min_reliance=0.99", "evidence.q=0.01", "stages=[evidence]")
        assert tiny.audit([*command, "cues=[border]", *more]).returncode == 0
    assert evidence(out).loc["framed", "border"]["verdict"] != "confirmed"
    assert before == [stamps(out), *(stamps(out, f"evidence/{name}") for name in folders)]
    assert tiny.audit([*command, "cues=[border,background]"]).returncode == 0
    assert {"border", "background"} <= {cue for _, cue in evidence(out).index}


def test_one_class_s_change_is_measured_again_alone(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    out = tmp_path / "out"
    command = framed.overrides(tmp_path / "photos", out, "reading_net", "cues=[border]")
    command.append("evidence.sequential=false")  # every planned pair is in the table
    assert tiny.audit(command).returncode == 0
    pairs, before = pd.read_parquet(out / "transplants"), stamps(out)
    # A photo that not every class's pairs use; to find carriers all photos of a class are used.
    pairs = pairs[pairs["question"].isin(["reliance", "pull"])]
    users = {}
    for name in ("image_id", "donor_with", "donor_without"):
        for image_id, of in zip(pairs[name], pairs["class_name"], strict=True):
            users.setdefault(image_id, set()).add(of)
    planned = json.loads((out / "plan.json").read_text())["stages"]["transplant"]
    number = {part["args"]["class_name"]: part["number"] for part in planned}
    some = min(users, key=lambda image_id: (len(users[image_id]), image_id))
    assert len(users[some]) < len(number)
    changed = tmp_path / "photos" / "images" / some
    changed.write_bytes(changed.read_bytes())
    os.utime(changed, ns=(1, 1))
    assert tiny.audit(command).returncode == 0
    after = stamps(out)
    before = {name: at for name, at in before.items() if name.startswith("part")}
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {f"part-{number[name]:05d}.parquet" for name in users[some]}


def test_without_masks_the_background_is_undetermined_and_says_why(photos, tmp_path):
    command = framed.overrides(photos, tmp_path / "bare", "reading_net", "cues=[border,background]")
    command = [a for a in command if not a.startswith("masks")] + ["masks=none"]
    done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    table = evidence(tmp_path / "bare")
    assert table.loc["framed", "border"]["verdict"] == "confirmed"
    assert table.loc["framed", "background"]["verdict"] == "undetermined"
    assert "mask" in table.loc["framed", "background"]["because"]


def test_overlapping_cues_are_told_apart_where_some_photos_have_no_mask(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    for name in framed.CLASSES:
        for mask in sorted((tmp_path / "photos" / "masks" / name).iterdir())[::3]:
            mask.unlink()
    command = framed.overrides(tmp_path / "photos", tmp_path / "some", "reading_net", CUES)
    done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    table = evidence(tmp_path / "some")
    assert table.index[table["verdict"] == "confirmed"].tolist() == [("framed", "border")]
    assert table.loc["framed", "background"]["explained_by"] == "border"
    pairs = pd.read_parquet(tmp_path / "some" / "transplants")
    assert not pairs[pairs["given"] == "background"]["p_with"].isna().any()


def test_an_unknown_cue_is_one_line(photos, tmp_path):
    done = tiny.audit(framed.overrides(photos, tmp_path / "x", "reading_net", "cues=[boarder]"))
    assert done.returncode == 2
    assert "unknown cue: cues=[boarder]" in done.stderr
    assert "did you mean 'border'?" in done.stderr


def test_a_cue_of_the_user_s_own(photos, tmp_path):
    cue = "cues=['tests.evidence.halves:LeftHalf']"
    done = tiny.audit(framed.overrides(photos, tmp_path / "own", "reading_net", cue))
    assert done.returncode == 0, done.stderr
    assert ("framed", "LeftHalf") in evidence(tmp_path / "own").index


def test_a_stamp_drawn_anew_is_asked_anew(photos, tmp_path):
    ruler = tmp_path / "ruler.png"
    command = framed.overrides(
        photos, tmp_path / "out", "reading_net", "cues=[border]", f"stamp.image={ruler}"
    )
    written = []
    for colour in ("black", "black", "white"):
        Image.new("RGB", (30, 10), colour).save(ruler)
        done = tiny.audit(command)
        assert done.returncode == 0, done.stderr
        (tmp_path / "out" / "evidence.parquet").unlink()
        written.append(stamps(tmp_path / "out"))
    assert written[0] == written[1] != written[2]


def test_a_run_that_died_goes_on_with_the_next_part(photos, bordered, tmp_path, monkeypatch):
    killed = framed.overrides(photos, tmp_path / "killed", "reading_net", "cues=[border]")
    plain, calls = measure.measured, []

    def dying(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            raise RuntimeError("the power went")
        return plain(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(measure, "measured", dying)
        patch.setattr(transplant_stage, "_TOGETHER", 1)
        patch.setattr(transplant_stage, "_SMALL", 0)
        assert tiny.audit(killed).returncode == 1
    assert not (tmp_path / "killed" / "evidence.parquet").exists()
    before = stamps(tmp_path / "killed")
    assert len(before) == 2
    assert tiny.audit(killed).returncode == 0
    assert before.items() <= stamps(tmp_path / "killed").items()
    outs = (bordered, tmp_path / "killed")
    tables = [pd.read_parquet(out / "evidence.parquet") for out in outs]
    pd.testing.assert_frame_equal(*tables)


def test_a_property_that_is_only_lost_is_measured_on_enough_photos(audited):
    table = evidence(audited)
    lost = table[table["measured_on"] == "others"]
    assert len(lost) > 0
    assert lost["n_images"].min() >= 8
    assert "undetermined" not in set(lost["verdict"])


def test_no_cue_is_one_line(photos, tmp_path):
    done = tiny.audit(framed.overrides(photos, tmp_path / "none", "reading_net", "cues=[]"))
    assert done.returncode == 2
    assert "no cue to examine: cues | got [] | remedy: cues=null for all" in done.stderr


def test_photos_that_cannot_be_decoded_leave_empty_tables(photos, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    for path in (root / "images").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:2000])  # the header alone
    more = ("cues=[border]", tiny.WHOLE)
    done = tiny.audit(framed.overrides(root, tmp_path / "out", "reading_net", *more))
    assert done.returncode == 4, done.stderr
    assert len(pd.read_parquet(tmp_path / "out" / "evidence.parquet")) == 0
    assert (tmp_path / "out" / "report" / "index.html").is_file()


def test_a_stamp_that_nobody_reads_pulls_nobody(photos, tmp_path):
    more = ("cues=[border,stamp]", "stamp.text=hello", "stamp.where=centre")
    done = tiny.audit(framed.overrides(photos, tmp_path / "stamp", "reading_net", *more))
    assert done.returncode == 0, done.stderr
    rows = evidence(tmp_path / "stamp").xs("stamp", level="cue")
    assert len(rows) == 3
    assert (rows["measured_on"] == "others").all()
    assert "confirmed" not in set(rows["verdict"])
