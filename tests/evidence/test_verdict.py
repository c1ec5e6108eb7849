from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from xai_audit.evidence.verdict import Limits, candidates, judge
from xai_audit.statistics.p_values import benjamini_hochberg

LIMITS = Limits(q=0.05, reliance=0.2, attention=0.05, availability=0.65, min_images=8)
NAN = math.nan
# Cue -> mean share of the view.
AREAS = {"border": 0.3, "background": 0.6, "corner_top_left": 0.06, "corner_top_right": 0.061}


def cell(class_name, cue, **changes):
    """A row of a cell that was measured in full and shows nothing."""
    row = {
        "class_name": class_name,
        "cue": cue,
        "method": "gradcam",
        "n_images": 24,
        "n_read": 60,
        "way": "both",
        "why": None,
        "wanted": 24,
        "sd": 0.05,
        "attention_trusted": None,
        "measured_on": "own",
        "scrambled": NAN,
        "own": NAN,
        "area": AREAS.get(cue, NAN),
        "mass": 0.2,
        "carriers": frozenset(),
        "n_screened": NAN,
        "n_carriers": NAN,
        "n_carrier_pairs": NAN,
        "carrier_share": NAN,
        **{
            f"{q}{e}": NAN
            for q in ("carrier_pull", "carrier_reliance", "whole")
            for e in ("", "_low", "_high", "_p")
        },
    }
    for question, value in (
        ("availability", 0.5),
        ("attention", 0.0),
        ("reliance", 0.01),
        ("pull", 0.01),
    ):
        chance = question not in changes
        value = changes.pop(question, value)
        row[question] = value
        row[f"{question}_low"], row[f"{question}_high"] = value - 0.04, value + 0.04
        chance = chance or (question, value) in (("availability", 0.5), ("attention", 0.0))
        row[f"{question}_p"] = NAN if math.isnan(value) else 0.5 if chance else 1e-6
    return row | changes


def relied(class_name, cue, effect=0.8, **changes):
    told = {"availability": 0.95, "attention": 0.2, "pull": effect / 2} | changes
    return cell(class_name, cue, reliance=effect, **told)


def left(**effects):
    """``P__Q=0.1`` as beyond[("iris", P, Q)]."""
    return {("iris", *names.split("__")): value for names, value in effects.items()}


def verdicts(rows, beyond=None, limits=LIMITS):
    judged = judge(pd.DataFrame(rows), beyond or {}, limits)
    named = judged["explained_by"]
    return {
        (c, q): (v, None if pd.isna(e) else e)
        for c, q, v, e in zip(
            judged["class_name"], judged["cue"], judged["verdict"], named, strict=True
        )
    }


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "clear"),
        ({"reliance": 0.8}, "confirmed"),
        ({"reliance": 0.25}, "confirmed"),  # its interval begins above the limit
        ({"reliance": 0.23}, "undetermined"),  # and holds it, with all pairs spent
        ({"reliance": 0.23, "attention": 0.2}, "undetermined"),
        ({"reliance": 0.23, "reliance_p": 0.2}, "clear"),
        ({"reliance": 0.19}, "clear"),
        ({"reliance": 0.8, "reliance_p": 0.2}, "clear"),
        ({"pull": 0.5}, "clear"),  # without availability it may be any damage
        ({"pull": 0.5, "availability": 0.9}, "confirmed"),
        ({"pull": 0.5, "availability": 0.9, "availability_p": 0.3}, "clear"),
        ({"pull": 0.1, "availability": 0.9}, "available"),
        ({"pull": 0.23, "availability": 0.9}, "available"),
        ({"attention": 0.2}, "suspected"),
        ({"attention": 0.2, "availability": 0.9}, "suspected"),
        ({"attention": 0.04}, "clear"),
        ({"attention": 0.2, "attention_p": 0.2}, "clear"),
        ({"availability": 0.64}, "clear"),
        ({"n_images": 7}, "undetermined"),
        ({"n_images": 7, "reliance": 0.8}, "undetermined"),
        ({"n_images": 0, "reliance": NAN, "why": "no masks"}, "undetermined"),
        ({"n_images": 16, "reliance": 0.18}, "undetermined"),
        ({"n_images": 24, "reliance": 0.18}, "clear"),
        ({"n_images": 16, "reliance": 0.1}, "clear"),
        ({"n_images": 16, "reliance": 0.18, "attention": 0.3}, "undetermined"),
        ({"way": "none", "n_images": 0, "reliance": NAN, "availability": 0.9}, "available"),
        ({"way": "none", "n_images": 0, "reliance": NAN, "attention": 0.3}, "clear"),
        ({"way": "none", "n_images": 0, "reliance": NAN, "availability": NAN}, "undetermined"),
        (
            {"way": "added", "measured_on": "others", "availability": NAN, "reliance": 0.7},
            "confirmed",
        ),
    ],
)
def test_the_verdict_of_one_cell(changes, verdict):
    told = verdicts([cell("iris", "border", **changes)])
    assert told == {("iris", "border"): (verdict, None)}


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        ({}, None),
        ({"reliance": 0.8}, "reliance"),
        ({"reliance": 0.8, "pull": 0.9, "availability": 0.9}, "reliance"),
        ({"pull": 0.5, "availability": 0.9}, "pull"),
        ({"pull": 0.5}, None),
        ({"attention": 0.3, "availability": 0.9}, None),
        ({"reliance": 0.23, "pull": 0.5, "availability": 0.9}, "pull"),  # low is under the limit
        ({"reliance": 0.8, "reliance_p": 0.2, "pull": 0.5, "availability": 0.9}, "pull"),
        ({"reliance": 0.8, "n_images": 7}, None),
        ({"reliance": 0.8, "n_images": 7, "pull": 0.5, "availability": 0.9}, "pull"),
    ],
)
def test_the_question_that_confirms_is_one_decision(changes, question):
    """Row, candidates and sentence all have the question that the verdict rests on."""
    frame = pd.DataFrame([cell("iris", "border", **changes)])
    (row,) = judge(frame, {}, LIMITS).to_dict("records")
    assert row["question"] == question
    assert (row["verdict"] == "confirmed") == (question is not None)
    assert candidates(frame, LIMITS) == ({"iris": {"border": question}} if question else {})
    if question is not None:
        effect = f"by {row[question]:.2f}"
        assert effect in row["because"]
        assert row["because"].startswith("Giving" if question == "pull" else "Replacing")


def test_an_explained_cue_keeps_the_question_that_showed_its_effect():
    rows = [relied("iris", "border"), relied("iris", "background", n_images=7)]
    judged = judge(pd.DataFrame(rows), left(background__border=0.0), LIMITS)
    assert list(judged["question"]) == ["reliance", "pull"]
    assert judged["because"][1].startswith("Giving photos of other classes only the background")


def test_q_counts_what_several_methods_share_once():
    rows = [
        relied("iris", cue, reliance_p=p, attention_p=p / 2, method=method)
        for cue, p in (("border", 0.01), ("colour", 0.04), ("contrast", 0.3), ("x", NAN))
        for method in ("gradcam", "lrp")
    ]
    for number, row in enumerate(rows):
        row["attention_p"] += number / 100
    judged = judge(pd.DataFrame(rows, index=range(5, 13)), {}, LIMITS)
    once = benjamini_hochberg(np.array([0.01, 0.04, 0.3, NAN]))
    assert judged["reliance_q"].to_numpy() == pytest.approx(np.repeat(once, 2), nan_ok=True)
    every = benjamini_hochberg(np.array([row["attention_p"] for row in rows]))
    assert judged["attention_q"].to_numpy() == pytest.approx(every, nan_ok=True)


def test_many_cells_need_smaller_p():
    rows = [cell(f"c{i}", "border") for i in range(100)]
    rows[0] |= {"reliance": 0.4, "reliance_low": 0.3, "reliance_p": 0.01}
    assert verdicts(rows)["c0", "border"][0] == "clear"
    assert verdicts(rows[:1])["c0", "border"][0] == "confirmed"


def test_judge_leaves_its_input_alone_and_candidates_come_before_naming():
    rows = [relied("iris", "border"), relied("iris", "background"), cell("rose", "border")]
    rows.append(relied("rose", "colour") | {"method": "lrp"})
    rows.append(relied("rose", "colour"))
    frame = pd.DataFrame(rows)
    before = frame.copy()
    judge(frame, left(background__border=0.0), LIMITS)
    pd.testing.assert_frame_equal(frame, before)
    frame.loc[0, ["reliance", "reliance_low"]] = 0.0
    assert candidates(frame, LIMITS) == {
        "iris": {"border": "pull", "background": "reliance"},
        "rose": {"colour": "reliance"},
    }
    assert candidates(frame.iloc[2:3], LIMITS) == {}


def test_a_planted_border_explains_the_background_around_it():
    rows = [
        relied("iris", "border"),
        relied("iris", "background", 0.85),
        cell("rose", "border", availability=0.9),  # the rival: known by the absence of the plant
    ]
    told = verdicts(rows, left(background__border=0.05, border__background=0.04))
    assert told["iris", "border"] == ("confirmed", None)
    assert told["iris", "background"] == ("suspected", "border")
    assert told["rose", "border"] == ("available", None)


def test_a_planted_background_is_not_given_to_the_border_in_it():
    rows = [relied("iris", "border", 0.3), relied("iris", "background", 0.8)]
    told = verdicts(rows, left(background__border=0.6, border__background=0.02))
    assert told["iris", "background"] == ("confirmed", None)
    assert told["iris", "border"] == ("suspected", "background")


def test_an_edge_of_the_wall_that_pulls_others_does_not_take_the_wall_s_name():
    border = relied("iris", "border", 0.0, pull=0.6)  # the class does without it
    wall = relied("iris", "background", 0.7, pull=0.9)
    told = verdicts([border, wall], left(background__border=0.0, border__background=0.0))
    assert told["iris", "background"] == ("confirmed", None)
    assert told["iris", "border"] == ("suspected", "background")
    # Where the wall, too, only pulls, the narrower is named as ever.
    wall = relied("iris", "background", 0.0, pull=0.9)
    told = verdicts([border, wall], left(background__border=0.0, border__background=0.0))
    assert told["iris", "border"] == ("confirmed", None)


def test_a_watermark_in_the_corner_is_named_before_border_and_background():
    rows = [
        relied("iris", cue, e)
        for cue, e in (("corner_top_left", 0.5), ("border", 0.6), ("background", 0.6))
    ]
    nested = itertools.permutations(("corner_top_left", "border", "background"), 2)
    told = verdicts(rows, left(**{f"{p}__{q}": 0.0 for p, q in nested}))
    assert told["iris", "corner_top_left"] == ("confirmed", None)
    assert told["iris", "border"] == ("suspected", "corner_top_left")
    assert told["iris", "background"] == ("suspected", "corner_top_left")


def test_a_colour_cast_explains_the_regions_that_carry_it():
    rows = [relied("iris", cue) for cue in ("background", "border", "colour")]
    beyond = left(
        background__colour=0.0,
        border__colour=0.0,
        colour__background=0.5,
        colour__border=0.7,
        border__background=0.1,
        background__border=0.7,
    )
    told = verdicts(rows, beyond)
    assert told["iris", "colour"] == ("confirmed", None)
    assert told["iris", "border"] == ("suspected", "colour")
    assert told["iris", "background"] == ("suspected", "colour")


def test_a_discovered_region_does_not_take_the_name_of_the_corner_that_it_lies_in():
    rows = [
        relied("iris", "corner_top_left"),
        relied("iris", "cluster_1", 0.5, area=0.02),
        relied("iris", "border", 0.5),
    ]
    mutual = {"corner_top_left__cluster_1": 0.1, "cluster_1__corner_top_left": 0.0}
    told = verdicts(rows, left(**mutual, border__cluster_1=0.0, border__corner_top_left=0.1))
    assert told["iris", "corner_top_left"] == ("confirmed", None)
    assert told["iris", "cluster_1"][1] == told["iris", "border"][1] == "corner_top_left"
    # It keeps its own where nothing that has a name explains it.
    told = verdicts(rows, left(corner_top_left__cluster_1=0.1))
    assert told["iris", "cluster_1"] == ("confirmed", None)


@pytest.mark.parametrize(
    ("wide", "changes", "named"),
    [
        ("background", {}, "cluster_1"),  # a sticker that lies anywhere in the background
        ("background", {"effect": 0.58}, "background"),  # less than two thirds: a piece of the wall
        ("background", {"area": 0.31}, "background"),  # about as wide
        ("background", {"area": NAN}, "background"),
        ("background", {"effect": 0.0, "pull": 0.9}, "background"),  # the class does without it
        ("border", {}, "border"),  # the frame has a place, the region is a piece of it
    ],
)
def test_a_narrow_region_with_most_of_the_effect_is_named_before_the_background(
    wide, changes, named
):
    found = {"effect": 0.75, "area": 0.02} | changes
    rows = [relied("iris", wide, 0.91), relied("iris", "cluster_1", **found)]
    told = verdicts(rows, left(**{f"{wide}__cluster_1": 0.2, f"cluster_1__{wide}": 0.0}))
    other = wide if named == "cluster_1" else "cluster_1"
    assert told["iris", named] == ("confirmed", None)
    assert told["iris", other] == ("suspected", named)


def test_a_piece_of_a_wall_that_pulls_as_the_wall_does_not_take_its_name():
    pulling = {"availability": 0.95, "attention": 0.2, "pull": 0.9}
    rows = [cell("iris", "background", **pulling), cell("iris", "cluster_1", area=0.02, **pulling)]
    told = verdicts(rows, left(background__cluster_1=0.1, cluster_1__background=0.0))
    assert told["iris", "background"] == ("confirmed", None)


def test_two_independent_cues_are_both_named():
    rows = [relied("iris", "colour"), relied("iris", "border")]
    told = verdicts(rows, left(colour__border=0.7, border__colour=0.6))
    assert {verdict for verdict, _ in told.values()} == {"confirmed"}


def test_an_explained_cue_gets_the_verdict_it_has_without_reliance():
    for changes, verdict in (
        ({"attention": 0.0}, "available"),
        ({"attention": 0.0, "availability": 0.5}, "clear"),
        ({"n_images": 4}, "suspected"),  # by pull; that its reliance is open does not matter
    ):
        rows = [relied("iris", "border"), relied("iris", "background", **changes)]
        told = verdicts(rows, left(background__border=0.0))
        assert told["iris", "background"] == (verdict, "border")


def test_what_explains_one_class_explains_no_other():
    rows = [relied(name, cue) for name in ("iris", "rose") for cue in ("border", "background")]
    told = verdicts(rows, left(background__border=0.0))
    assert told["iris", "background"][1] == "border"
    assert told["rose", "background"] == ("confirmed", None)


def test_the_rows_of_several_methods_are_named_alike():
    rows = [
        relied("iris", cue) | {"method": method, "attention": 0.2 if method == "lrp" else 0.0}
        for cue in ("border", "background")
        for method in ("gradcam", "lrp")
    ]
    judged = judge(pd.DataFrame(rows), left(background__border=0.0), LIMITS)
    assert list(judged["verdict"]) == ["confirmed", "confirmed", "available", "suspected"]
    assert list(judged["explained_by"].dropna()) == ["border", "border"]
