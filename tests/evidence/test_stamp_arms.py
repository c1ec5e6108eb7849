"""A stamp is judged against the photo as it is; its scrambled twin only tells what counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from tests import tiny
from tests.evidence import framed
from xai_audit.evidence.added import added_cell
from xai_audit.evidence.plan import Roster

pytestmark = pytest.mark.xdist_group("stamp_arms")  # they share a run

SIDE = 80


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return framed.make_folder(tmp_path_factory.mktemp("framed"))


@pytest.fixture(scope="module")
def red(tmp_path_factory):
    path = tmp_path_factory.mktemp("stamp") / "red.png"
    Image.new("RGB", (SIDE, SIDE), (230, 80, 80)).save(path)
    return path


@pytest.fixture(scope="module")
def audited(photos, red, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "stamped"
    keys = ("cues=[stamp]", f"stamp.image={red}", "stamp.size=0.5", "stamp.where=top_left")
    command = framed.overrides(photos, out, "reading_net", *keys, "evidence.sequential=false")
    done = tiny.audit(command)
    assert done.returncode == 0, done.stderr
    return out


def pasted(photos, image_id: str, red) -> tuple[float, float]:
    """p(framed) of the photo with the stamp pasted by PIL, and of the photo as it is."""
    photo = Image.open(photos / "images" / image_id).convert("RGB")
    stamped = photo.copy()
    stamped.paste(Image.open(red).resize((SIDE // 2, SIDE // 2)), (0, 0))
    views = [torch.from_numpy(np.array(one)).permute(2, 0, 1) / 255 for one in (stamped, photo)]
    small = [F.interpolate(v[None], (64, 64), mode="bilinear", antialias=True) for v in views]
    logits = framed.reading_net()((torch.cat(small) - 0.47) / 0.2)
    with_, without = logits.softmax(1)[:, framed.CLASSES.index("framed")].tolist()
    return with_, without


def test_the_verdict_is_that_of_pasting_though_any_red_patch_does_the_same(audited, photos, red):
    table = pd.read_parquet(audited / "evidence.parquet").set_index("class_name")
    row = table.loc["framed"]
    others = [f"{name}/{n:03d}.png" for name in ("blue", "plain") for n in range(14)]
    effects = [np.subtract(*pasted(photos, one, red)) for one in others]
    assert row["reliance"] == pytest.approx(np.mean(effects), abs=0.03)
    assert row["reliance"] > 0.3
    assert row["n_images"] == len(others)
    assert (row["verdict"], row["question"]) == ("confirmed", "reliance")
    # Its tiles in another order are as red.
    assert row["scrambled"] == pytest.approx(row["reliance"], abs=0.05)
    assert "any such patch there does." in row["because"]
    # The class's own photos are red already.
    own = [np.subtract(*pasted(photos, f"framed/{n:03d}.png", red)) for n in range(14)]
    assert row["own"] == pytest.approx(np.mean(own), abs=0.03)
    assert row["own_low"] <= row["own"] <= row["own_high"]
    assert table.loc["blue"]["verdict"] == "clear"


def test_every_pair_is_against_the_photo_as_it_is(audited):
    pairs = pd.read_parquet(audited / "transplants")
    pairs = pairs[pairs["cue"] == "stamp"]
    assert (pairs["donor_without"] == pairs["image_id"]).all()
    assert {*pairs["question"]} == {"pull", "reliance", "scrambled"}
    donor = pairs["donor_with"].str.partition("/")[0]
    twin, own = pairs["question"] == "scrambled", pairs["question"] == "reliance"
    assert (donor[twin] == pairs["image_class"][twin]).all()
    assert (pairs["donor_with"] != pairs["image_id"]).all()
    assert (donor[~twin] != pairs["image_class"][~twin]).all()
    assert (pairs["image_class"][own] == pairs["class_name"][own]).all()
    assert (pairs["image_class"][~own] != pairs["class_name"][~own]).all()
    plain = pairs.groupby(["class_name", "image_id"])["p_without"]
    assert (plain.max() - plain.min()).max() < 1e-6


def test_photos_come_from_all_other_classes_in_turn():
    names = ["a", "b", "c", "d"]
    pools = {"a": [0, 1, 2], "b": [3], "c": [4, 5, 6], "d": [7, 8]}
    ids = [str(place) for place in range(9)]
    classes = np.array(["a"] * 3 + ["b"] + ["c"] * 3 + ["d"] * 2)
    roster = Roster(ids, classes, names, {"a": {"d": 2.0}}, 0, np.arange(len(ids)))
    cell = added_cell(roster, "a", "stamp", pools, budget=1)
    assert [pair.image for pair in cell.pull] == ["7", "3", "4", "8"]
    assert cell.wanted == 4
    # A photo that is alone in its class has no other donor of that class.
    assert [pair.image for pair in cell.scrambled] == ["7", "4", "8"]
    assert [pair.image for pair in cell.reliance] == ["0", "1", "2"]
    alone = added_cell(roster, "a", "stamp", pools | {"a": []}, budget=5)
    assert alone.pull == ()
    assert alone.why == "it needs a usable photo of this class and one of another"
