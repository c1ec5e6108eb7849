"""Photos chosen by what was found of them, against a plain reading of the tables."""

from __future__ import annotations

import webbrowser
from urllib.parse import parse_qs

import pytest

import xai_audit
from tests.report.conftest import builder, tiny_run, write_cells
from tests.report.test_explore import written
from xai_audit.errors import ConfigError, OutputError
from xai_audit.notebook import view

__all__ = ["builder", "tiny_run"]


@pytest.fixture
def run(tiny_run, monkeypatch):
    write_cells(tiny_run, {"daisy": "confirmed", "tulip": "clear"}, "daisy/7.jpg")
    written(tiny_run)
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(opened.append(url)) or True)
    found = xai_audit.load(tiny_run.root)
    found.opened = opened
    return found


def test_what_is_chosen_and_the_page_s_address(run):
    scores = run.scores[run.scores["target_kind"] == "contrast"].set_index("image_id")
    wrong = scores[scores["pred"] != scores["label"]]
    border = run.flags[run.flags["reason"] == "border"]["image_id"]
    daisies = scores[scores["class_name"] == "daisy"].index
    for chosen, expected, state in (
        ({"wrong": True}, wrong.index, {"right": ["wrong"]}),
        ({"class_name": "daisy"}, daisies, {"class": ["daisy"]}),
        ({"text": "DAISY/"}, daisies, {"text": ["DAISY/"]}),
        ({"reason": "border"}, border, {"reason": ["border"]}),
        ({"cue": "border", "verdict": "confirmed"}, daisies, None),
        ({"verdict": "clear", "wrong": False}, {*scores.index} - {*daisies, *wrong.index}, None),
        ({"cue": "border", "carrier": True}, ["daisy/7.jpg"], None),
        ({"reason": "none", "class_name": "tulip", "wrong": True}, [], None),
    ):
        found = run.view(**chosen)
        assert {*found.photos["image_id"]} == {*expected}, chosen
        page, _, after = found.url.partition("#")
        assert page == run.paths.explore_html.as_uri()
        assert state is None or parse_qs(after) == state
        assert run.opened.pop() == found.url


def test_sorted_by_a_score(run):
    found = run.view(class_name="daisy", sort="mass_border").photos
    assert [*found["mass_border"]] == sorted(found["mass_border"], reverse=True)
    assert found["mass_border"][0] == pytest.approx(0.53)


def test_a_notebook_shows_a_gallery_and_opens_nothing(run, monkeypatch):
    monkeypatch.setattr(view, "in_notebook", lambda: True)
    monkeypatch.setattr("xai_audit.notebook.photo.audit_of", lambda _: audit_without_masks())
    monkeypatch.setattr("xai_audit.notebook.photo.mask_of", lambda *_: None)
    found = run.view(class_name="daisy", sort="mass_border")
    text = found._repr_html_()
    assert run.opened == []
    assert text.count("<figure") == text.count("data:image/jpeg") == 12
    assert "<script" not in text
    assert "mass, border 0.53" in text


def audit_without_masks():
    class Audit:
        opener = None

    return Audit()


@pytest.mark.parametrize(
    "chosen",
    [{"class_name": "dasy"}, {"verdict": "bad"}, {"cue": "bordr"}, {"sort": "mass"}, {"by": "x"}],
)
def test_a_word_that_the_run_does_not_have_is_one_line(run, chosen):
    with pytest.raises(ConfigError) as raised:
        run.view(**chosen)
    assert "\n" not in str(raised.value)
    (name, value) = next(iter(chosen.items()))
    assert f"got {value}" in str(raised.value) or f"got {name}" in str(raised.value)


def test_without_a_report_there_is_no_address(run):
    run.paths.explore_html.unlink()
    found = run.view(wrong=True)
    assert (found.url, run.opened) == (None, [])
    with pytest.raises(OutputError, match="add report to stages"):
        found.open()
