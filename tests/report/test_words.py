from __future__ import annotations

import pytest

from xai_audit.flags.outliers import REASONS
from xai_audit.report.facts import read_facts
from xai_audit.report.templating import environment
from xai_audit.report.words import (
    Caption,
    caption_of,
    masses,
    percent,
    printable,
    titles,
    two,
    whole,
)
from xai_audit.run.reader import Run

ROW = {"class_name": "daisy", "pred": 0, "label": 0, "confidence": 0.9, "method": "gradcam"} | {
    "mass_object": 0.6,
    "mass_background": 0.25,
    "mass_border": None,
}
FLAG = {"reason": "border", "value": 0.42, "class_median": 0.11, "distance": 6.24}


@pytest.fixture
def facts(builder):
    return read_facts(Run(builder.write().root))


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.421, "42%"), (0, "0%"), (1, "100%"), (-1e-9, "0%"), (None, "–"), (float("nan"), "–")],
)
def test_percent(share, text):
    assert percent(share) == text
    assert percent(0.4214, 1) == "42.1%"


def test_every_reason_has_its_words():
    assert set(REASONS) < set(titles())


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ({}, "border 42% · class 11% · z 6.2"),
        ({"reason": "corner_bottom_left"}, "bottom left corner 42% · class 11% · z 6.2"),
        ({"reason": "off_object"}, "peak off the object; object 42% · class 11%"),
        (
            {"reason": "off_object", "class_median": float("nan")},
            "peak off the object; object 42%",
        ),
        ({"reason": "mistake"}, "wrong, confidence 42%"),
    ],
)
def test_a_reason_is_given_with_its_measure_against_its_class(facts, flag, text):
    flag = FLAG | flag
    caption = caption_of(ROW, [flag], facts=facts, method=None)
    assert caption.reasons == {flag["reason"]: text}


def test_without_a_flag_the_masses_are_given(facts):
    assert masses(ROW, ("object", "border")) == "object 60%"
    assert caption_of(ROW, [], facts=facts, method=None).lines("unflagged") == (
        "object 60% · background 25%",
    )


def test_the_caption_has_reasons_masses_and_method_the_sheets_own_reason_first(facts):
    flags = [FLAG | {"reason": "mistake", "value": 0.9}, FLAG]
    caption = caption_of(ROW | {"pred": 1}, flags, facts=facts, method="lrp")
    assert caption.headline == "daisy → tulip 90%"
    assert caption.right is False
    border, wrong = "border 42% · class 11% · z 6.2", "wrong, confidence 90%"
    masses_line = "object 60% · background 25% · lrp"
    assert caption.lines("border") == (border, wrong, masses_line)
    assert caption.lines("mistake") == (wrong, border, masses_line)


@pytest.mark.parametrize("label", [None, -1, float("nan")])
def test_an_unknown_label_is_neither_right_nor_wrong(facts, label):
    assert caption_of(ROW | {"label": label}, [], facts=facts, method=None).right is None


def test_no_relevance_and_no_prediction_are_said(facts):
    row = ROW | dict.fromkeys(("mass_object", "mass_background")) | {"pred": float("nan")}
    caption = caption_of(row, [], facts=facts, method=None)
    assert caption.masses == "no relevance"
    assert caption.headline == "daisy"
    assert caption.confidence is None


def test_the_headline_in_plain_text():
    assert Caption("daisy", "tulip", 0.371, False, {}, "").headline == "daisy → tulip 37%"
    assert Caption("daisy", "daisy", 0.371, True, {}, "").headline == "daisy 37%"
    assert Caption("daisy", None, None, None, {}, "").headline == "daisy"


def test_every_letter_drawn_is_printable():
    assert printable("a\nb\x00c\u202e☀é") == "a\ufffdb\ufffdc\ufffd☀é"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (-0.001, "0.00"), (0.806, "0.81"), (-0.5, "-0.50")]
)
def test_two_decimals(value, text):
    assert two(value) == text


def test_thousands_are_separated():
    assert whole(1234567) == "1\u202f234\u202f567"
    assert whole(999) == "999"


def test_a_long_name_may_break_after_its_underscores():
    text = environment().from_string("{{ name | breakable }}").render(name="<b>_great__crested")
    assert text == "&lt;b&gt;_<wbr>great__<wbr>crested"
