from __future__ import annotations

import pytest

from xai_audit.flags.outliers import REASONS
from xai_audit.report.facts import read_facts
from xai_audit.report.words import TITLES, caption_of, measure, percent

ROW = {"class_name": "daisy", "pred": 0, "label": 0, "confidence": 0.9, "method": "gradcam"} | {
    "mass_object": 0.6,
    "mass_background": 0.25,
    "mass_border": None,
}
FLAG = {"reason": "border", "value": 0.42, "class_median": 0.11, "distance": 6.24}


@pytest.fixture
def facts(builder):
    return read_facts(builder.write())


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.421, "42%"), (0, "0%"), (1, "100%"), (None, "–"), (float("nan"), "–")],
)
def test_percent(share, text):
    assert percent(share) == text
    assert percent(0.4214, 1) == "42.1%"


def test_every_reason_has_its_words():
    assert set(REASONS) < set(TITLES)


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ({}, "border 42% · class 11%"),
        ({"reason": "corner_bottom_left"}, "bottom left corner 42% · class 11%"),
        ({"reason": "off_object"}, "object 42% · class 11%"),
        ({"reason": "off_object", "class_median": float("nan")}, "object 42%"),
        ({"reason": "mistake"}, "wrong, confidence 42%"),
    ],
)
def test_a_measure_is_told_against_its_class(flag, text):
    flag = FLAG | flag
    assert measure(flag["reason"], flag, ROW) == text


def test_without_a_flag_the_masses_are_told():
    assert measure("unflagged", None, ROW) == "object 60%"


def test_the_caption_tells_reasons_masses_and_method(facts):
    flags = [FLAG | {"reason": "mistake", "value": 0.9}, FLAG]
    caption = caption_of(ROW | {"pred": 1}, flags, facts=facts, method="lrp")
    assert caption.headline == "daisy → tulip 90%"
    assert caption.right is False
    assert caption.reasons == ("border 42% · class 11% · z 6.2", "wrong, confidence 90%")
    assert caption.masses == "object 60% · background 25% · lrp"


@pytest.mark.parametrize("label", [None, -1, float("nan")])
def test_an_unknown_label_is_neither_right_nor_wrong(facts, label):
    assert caption_of(ROW | {"label": label}, [], facts=facts, method=None).right is None


def test_no_relevance_and_no_prediction_are_told(facts):
    row = ROW | dict.fromkeys(("mass_object", "mass_background")) | {"pred": float("nan")}
    caption = caption_of(row, [], facts=facts, method=None)
    assert caption.masses == "no relevance"
    assert caption.headline == "daisy"
    assert caption.confidence is None
