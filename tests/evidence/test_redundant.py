"""Cues that are each enough alone: taken away at once they are seen to be necessary."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests import tiny
from tests.evidence import either, framed
from tests.evidence.test_verdict import LIMITS, cell, relied
from xai_audit.evidence.at_once import joint_effects, set_key, set_pairs
from xai_audit.evidence.plan import MIN_IMAGES, Cell, Pair
from xai_audit.evidence.verdict import judge, sets
from xai_audit.statistics.estimate import Estimate

CUES = "cues=[border,corner_top_left,corner_bottom_right,background]"
BOTH = ("corner_top_left", "border")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return either.make_folder(tmp_path_factory.mktemp("either"))


def audited(photos, output, net):
    factory = f"model.factory=tests.evidence.either:{net}"
    done = tiny.audit([*framed.overrides(photos, output, net, CUES), factory])
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(output / "evidence.parquet")
    return table[table["class_name"] == "framed"].set_index("cue")


def test_a_frame_and_a_mark_that_are_each_enough_are_both_named(photos, tmp_path):
    table = audited(photos, tmp_path / "out", "either_net")
    assert {*table.index[table["verdict"] == "confirmed"]} == {*BOTH}
    for cue, other in (BOTH, BOTH[::-1]):
        row = table.loc[cue]
        assert abs(row["reliance"]) < 0.02  # by construction: the other is enough
        assert row["necessity"] > 0.9
        assert row["necessity_low"] > 0.8
        assert row["sufficiency"] == row["pull"] > 0.9
        assert (row["question"], row["redundant_with"]) == ("pull", other)
        assert "each is enough alone: taking both away lowers" in row["because"]
    wide = table.loc["background"]
    assert wide["explained_by"] in BOTH
    assert "the top left corner and the border explain this" in wide["because"]
    assert wide["necessity"] == wide["reliance"] > 0.9
    # A piece of the frame is explained by the frame.
    assert table.loc["corner_bottom_right", "explained_by"] == "border"
    pairs = pd.read_parquet(tmp_path / "out" / "transplants")
    jointly = pairs[pairs["cue"] == "+".join(BOTH)]
    lost = (jointly["p_with"] - jointly["p_without"]).mean()
    assert table.loc["border", "necessity"] == pytest.approx(lost, abs=1e-6)


def test_where_both_are_needed_nothing_is_called_enough(photos, tmp_path):
    table = audited(photos, tmp_path / "out", "both_net")
    assert table["redundant_with"].isna().all()
    assert table.loc["border", "necessity"] == table.loc["border", "reliance"] > 0.9
    assert table.loc["border", "sufficiency"] < 0.05
    assert not table["because"].str.contains("enough alone").any()


def rows(**changes):
    """The issue's class: background confirmed, frame and text each undecided by itself."""
    parts = {"border": (0.26, 0.84), "corner_top_left": (0.01, 0.71)}
    found = [relied("iris", "background", 0.83)]
    for cue, (reliance, pull) in parts.items():
        each = {"reliance_low": reliance - 0.1, "reliance_p": 0.04} | changes.get(cue, {})
        found.append(cell("iris", cue, **{"reliance": reliance, "pull": pull} | each))
    return found


def judged(found, value=0.83, low=0.7, parts=("border", "corner_top_left")):
    joint = {("iris", parts): Estimate(value, low, 1.0, math.nan)}
    table = judge(pd.DataFrame(found), {}, LIMITS, joint)
    return table.set_index("cue")


def test_the_parts_are_named_and_the_wide_cue_is_explained_by_them():
    table = judged(rows())
    assert list(table["verdict"]) == ["suspected", "confirmed", "confirmed"]
    assert table.loc["background", "explained_by"] == "border"
    assert list(table["redundant_with"][1:]) == ["corner_top_left", "border"]
    assert list(table["necessity"]) == [0.83, 0.83, 0.83]
    assert list(table["sufficiency"][1:]) == [0.84, 0.71]
    assert list(table["reliance"][1:]) == [0.26, 0.01]
    told = (
        "taking both away lowers the probability of iris by 0.83, "
        "the border alone by 0.26 and the top left corner alone by 0.01."
    )
    assert all(told in because for because in table["because"])
    assert "Of the border and the top left corner each is enough alone" in table["because"].iloc[1]


@pytest.mark.parametrize(
    ("value", "low"),
    [
        (0.5, 0.3),  # the background has more than the parts: a wall with its edges
        (0.83, 0.1),  # not surely above the limit
    ],
)
def test_what_all_parts_take_has_to_be_sure_and_most_of_the_effect(value, low):
    plain = judge(pd.DataFrame(rows()), {}, LIMITS).set_index("cue")
    table = judged(rows(), value, low)
    assert list(table["verdict"]) == list(plain["verdict"])
    assert table["redundant_with"].isna().all()
    assert list(table["because"]) == list(plain["because"])
    assert table.loc["background", "verdict"] == "confirmed"


@pytest.mark.parametrize(
    "changes",
    [
        {"pull_low": 0.19},
        {"pull_p": 0.3},
        {"pull": 0.4},  # less than half of the background's
        {"reliance": 0.45, "reliance_low": 0.1},  # more than half by itself
        {"n_images": 7},
        {"measured_on": "others"},
        {"area": 0.7},  # not within the background
    ],
)
def test_a_cue_that_does_not_suffice_is_no_part(changes):
    table = judged(rows(corner_top_left=changes))
    assert table["redundant_with"].isna().all()
    assert table.loc["background", "verdict"] == "confirmed"


@pytest.mark.parametrize(("reliance", "names"), [(0.35, True), (0.45, False)])
def test_a_part_takes_less_than_half_of_what_holds_them_does(reliance, names):
    """The parts took .6 of the background's .83; what else was taken is chance."""
    table = judged(rows(border={"reliance": reliance, "reliance_low": 0.1}), 0.6)
    assert (table.loc["border", "redundant_with"] == "corner_top_left") is names


def test_no_set_is_sought_where_a_narrow_cue_is_needed():
    found = pd.DataFrame(rows())
    assert sets(found, LIMITS) == {"iris": [("border", "corner_top_left")]}
    needed = [*rows(), relied("iris", "corner_top_right", 0.8)]
    assert sets(pd.DataFrame(needed), LIMITS) == {}
    # Without a wide cue a pull counts only where the cue is available.
    assert sets(found[found["cue"] != "background"], LIMITS) == {}
    known = {cue: {"availability": 0.9} for cue in ("border", "corner_top_left")}
    told = pd.DataFrame(rows(**known)[1:])
    assert sets(told, LIMITS) == {"iris": [("border", "corner_top_left")]}


def test_of_three_parts_every_pair_and_all_are_tried_and_the_fewest_named():
    third = cell("iris", "corner_top_right", reliance=0.0, pull=0.8, area=0.06)
    cues = ("border", "corner_top_right", "corner_top_left")
    found = pd.DataFrame([*rows(), third])
    pairs = [(cues[0], cues[1]), (cues[0], cues[2]), (cues[1], cues[2])]
    assert sets(found, LIMITS) == {"iris": [*pairs, cues]}
    joint = {("iris", cues): Estimate(0.83, 0.7, 0.9, math.nan)}
    table = judge(found, {}, LIMITS, joint).set_index("cue")
    assert table.loc["border", "redundant_with"] == "corner_top_right+corner_top_left"
    assert "taking all away" in table.loc["border", "because"]
    joint["iris", pairs[2]] = Estimate(0.6, 0.5, 0.7, math.nan)
    table = judge(found, {}, LIMITS, joint).set_index("cue")
    assert table.loc["corner_top_left", "redundant_with"] == "corner_top_right"
    assert table.loc["border", "verdict"] != "confirmed"


def test_joint_effects_are_means_of_enough_pairs():
    def pair(image, lost, **changes):
        row = {"class_name": "a", "cue": "border+colour", "given": None, "image_id": image}
        return row | {"p_with": 0.9, "p_without": 0.9 - lost} | changes

    lost = np.linspace(0.2, 0.8, MIN_IMAGES)
    found = [pair(n, each) for n, each in enumerate(lost)]
    others = [pair(0, 0.9, cue="border"), pair(1, 0.9, given="background", cue="border")]
    effects = joint_effects(pd.DataFrame([*found, *others]))
    assert effects.keys() == {("a", ("border", "colour"))}
    one = effects["a", ("border", "colour")]
    assert one.value == pytest.approx(0.5)
    assert one.low < 0.5 < one.high
    assert joint_effects(pd.DataFrame(found[1:])) == {}


def test_pairs_of_a_set_have_photos_that_take_and_give_every_part():
    own = tuple(Pair("iris", "border", "reliance", f"{n}", "w", "o") for n in range(5))
    cells = [Cell("iris", cue, "own", own, ()) for cue in ("border", "colour")]
    usable = {"border": {"0", "1", "2", "3", "w", "o"}, "colour": {"1", "2", "3", "w", "o"}}
    key = set_key(("border", "colour"), "iris")
    pairs = set_pairs(cells, key, usable.__getitem__, 2)
    assert [pair.image for pair in pairs] == ["1", "2"]
    assert {pair.cue for pair in pairs} == {"border+colour@iris"}
