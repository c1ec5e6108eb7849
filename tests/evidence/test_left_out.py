"""A photo on which a cue fails is left out for that cue, counted and named; the audit goes on."""

from __future__ import annotations

import json
import logging

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests import tiny
from tests.evidence import framed
from tests.evidence.halves import LeftHalf
from xai_audit.cues.resolution import Resolution
from xai_audit.errors import CueProblem, PluginError
from xai_audit.evidence.left_out import LeftOut, counted, note, noted, stop_if_broken, warn

pytestmark = pytest.mark.xdist_group("evidence")

FIRST, SECOND = CueProblem("mine", "a.png", "KeyError: 1"), CueProblem("mine", "b.png", "no")
OTHER = CueProblem("border", "c.png", "none")


def test_problems_are_counted_and_the_first_is_named():
    found = counted([FIRST, OTHER, SECOND])
    expected = {"mine": LeftOut(2, "a.png", "KeyError: 1"), "border": LeftOut(1, "c.png", "none")}
    assert found == expected
    assert noted([{}, note([FIRST]), note([OTHER, SECOND])]) == expected
    assert note([]) == {}


def test_one_warning_a_cue(caplog):
    with caplog.at_level(logging.WARNING):
        warn(counted([FIRST, OTHER, SECOND]), "photos")
    assert caplog.messages == [
        "cue mine failed on 2 photos, left out for it; the first: a.png | got KeyError: 1",
        "cue border failed on 1 photo, left out for it; the first: c.png | got none",
    ]


def test_only_a_cue_of_the_user_s_that_fails_everywhere_stops_the_run():
    ours, theirs = Resolution(name="mine"), LeftHalf(name="mine")
    with pytest.raises(PluginError, match=r"^cue mine failed: a.png \| got KeyError: 1$"):
        stop_if_broken(theirs, ["a.png", "b.png"], [FIRST, SECOND])
    stop_if_broken(ours, ["a.png", "b.png"], [FIRST, SECOND])
    stop_if_broken(theirs, ["a.png", "b.png", "c.png"], [FIRST, SECOND])
    stop_if_broken(theirs, ["a.png", "a.png"], [FIRST, FIRST])


ODD = ["alpha", "deep", "flat", "pixel", "strip", "tiny", "tower"]


@pytest.fixture
def photos(tmp_path):
    """The framed photos and seven odd ones, without masks, in the class ``plain``."""
    root = framed.make_folder(tmp_path / "photos", each=8)
    rng = np.random.default_rng(0)

    def noise(*size):
        return rng.integers(0, 256, size, dtype=np.uint8)

    pictures = {
        "pixel": noise(1, 1, 3), "strip": noise(1, 4000, 3), "tower": noise(4000, 1, 3),
        "tiny": noise(3, 3, 3), "flat": np.full((80, 90, 3), 90, np.uint8),
        "alpha": np.dstack([np.zeros((80, 90, 3), np.uint8), noise(80, 90)]),
        "deep": rng.integers(0, 2**16, (80, 90), dtype=np.uint16),
    }  # fmt: skip
    for name, picture in pictures.items():
        Image.fromarray(picture).save(root / "images" / "plain" / f"{name}.png")
    return root


def audited(photos, out, *more):
    done = tiny.audit(framed.overrides(photos, out, "reading_net", *more))
    run = json.loads((out / "run.json").read_text("utf-8"))
    return done, run.get("evidence", {})


def test_an_audit_with_odd_photos_ends_and_accounts_for_all_of_them(photos, tmp_path):
    """A photo of 1 x 1 px used to end it, in the resolution cue."""
    few = ("trust.images=2", "trust.steps=2", "adversarial.images=0", "evidence.images_per_class=8")
    done, found = audited(photos, tmp_path / "out", tiny.WHOLE, "discover.min_images=6", *few)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    manifest = pd.read_parquet(tmp_path / "out" / "manifest.parquet")
    assert set(manifest["status"]) == {"ok"}
    assert {f"plain/{name}.png" for name in ODD} <= {*manifest["image_id"]}
    survey = pd.read_parquet(tmp_path / "out" / "evidence" / "survey")
    assert set(survey["image_id"]) == set(manifest["image_id"])
    assert found["images_read"] == len(manifest) == 3 * 8 + len(ODD)
    assert found["left_out"] == {}
    assert survey["failed"].isna().all()
    pairs = pd.read_parquet(tmp_path / "out" / "transplants")
    assert pairs["p_with"].notna().all()
    assert len(pd.read_parquet(tmp_path / "out" / "evidence.parquet")["class_name"].unique()) == 3


def test_a_photo_in_which_a_cue_cannot_be_read_is_not_used_for_it(photos, tmp_path):
    """Wide photos only: of eight photos of a class, five; of the odd ones, alpha, deep, flat."""
    cues = "cues=[border,'tests.evidence.halves:Choosy']"
    done, found = audited(photos, tmp_path / "out", cues)
    assert done.returncode == 0, done.stderr
    assert found["left_out"] == {"Choosy": {"photos": 3 * 3 + 3, "pairs": 0}}
    assert "cue Choosy failed on 12 photos, left out for it; the first: " in done.stderr
    assert done.stderr.count("cue Choosy failed") == 1
    survey = pd.read_parquet(tmp_path / "out" / "evidence" / "survey")
    failed = survey[survey["failed"].notna()]
    assert set(failed["failed"]) == {"ValueError: too narrow"}
    assert failed[["descriptors", "region", "area", "level"]].isna().all(axis=None)
    pairs = pd.read_parquet(tmp_path / "out" / "transplants")
    for cue in ("Choosy", "all"):
        mine = pairs[pairs["cue"] == cue]
        asked = {*mine["image_id"], *mine["donor_with"], *mine["donor_without"]}
        assert len(mine)
        assert not asked & {*failed["image_id"]}
    border = pairs[pairs["cue"] == "border"]
    assert {*border["image_id"]} & {*failed["image_id"]}


def test_pairs_on_which_a_cue_fails_are_counted(photos, tmp_path):
    cues = "cues=[border,'tests.evidence.halves:Picky']"
    done, found = audited(photos, tmp_path / "out", cues)
    assert done.returncode == 0, done.stderr
    pairs = pd.read_parquet(tmp_path / "out" / "transplants")
    lost = pairs[pairs["p_with"].isna()]
    # With it, or with its content put back.
    assert set(lost["cue"][lost["given"].isna()]) == {"Picky", "all"}
    others = lost[~lost["cue"].isin(["Picky", "all"])]
    assert set(others["given"]) <= {"Picky"}
    assert lost["image_id"].str.endswith("/000.png").all()
    assert found["left_out"] == {"Picky": {"photos": 0, "pairs": len(lost)}}
    known = len(pairs) - len(lost)
    assert known < found["forwards"] <= 2 * known  # pairs of one photo share views
    assert f"cue Picky failed on {len(lost)} pairs, left out for it; the first: " in done.stderr
    # Parts are the same bytes whoever makes them, and one of them alone is made again as it was.
    parts = sorted((tmp_path / "out" / "transplants").glob("*.parquet"))
    before = {part: part.read_bytes() for part in parts}
    parts[0].unlink()
    again, found_again = audited(photos, tmp_path / "out", cues)
    assert again.returncode == 0, again.stderr
    assert {part: part.read_bytes() for part in parts} == before
    assert found_again["left_out"] == found["left_out"]


def test_a_cue_of_ours_that_fails_on_every_photo_is_undetermined(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(Resolution, "level", lambda *_: 1 / 0)
    done, found = audited(photos, tmp_path / "out", "cues=[border,resolution]")
    assert done.returncode == 0, done.stderr
    assert found["left_out"] == {"resolution": {"photos": found["images_read"], "pairs": 0}}
    table = pd.read_parquet(tmp_path / "out" / "evidence.parquet").set_index("cue")
    assert set(table.loc["resolution", "verdict"]) == {"undetermined"}
    assert "undetermined" not in set(table.loc["border", "verdict"])


def test_a_cue_of_the_user_s_that_fails_on_every_photo_ends_the_run(photos, tmp_path):
    for photo in (photos / "images").rglob("*.png"):
        with Image.open(photo) as picture:
            square = picture.convert("RGB").resize((80, 80))
        square.save(photo)
    done, _ = audited(photos, tmp_path / "out", "cues=['tests.evidence.halves:Choosy']")
    assert done.returncode == 1
    assert "cue Choosy failed: " in done.stderr
    assert "got ValueError: too narrow" in done.stderr
    assert "Traceback" not in done.stderr
