from __future__ import annotations

import csv
import io
import json
import shlex
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from tests.report.conftest import table
from tests.report.test_page import check_links, reported
from tests.report.test_verdicts import EMPTY, answered, cell, finding, relied, write
from xai_audit.config.compose import compose
from xai_audit.report import actions as actions_module
from xai_audit.report.actions import actions
from xai_audit.report.again import command, own_command
from xai_audit.report.facts import read_facts
from xai_audit.report.remedies import expected, remedies
from xai_audit.run.reader import Run
from xai_audit.schema import CARRIERS

__all__ = ["answered"]

HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'apostrophe'",
    "\u202eright to left\u2069 שלום",
    "two\nlines",
    "x" * 200,
)


def noted(paths, **keys) -> None:
    record = json.loads(paths.run_json.read_text())
    paths.run_json.write_text(json.dumps(record | keys))


def carried(paths, rows) -> None:
    pq.write_table(table(rows, CARRIERS), paths.carriers)


def carrier(image_id: str, effect: float, name: str = "daisy", cue: str = "border") -> dict:
    row = {"class_name": name, "cue": cue, "image_id": image_id}
    return row | {"presence": 0.5, "effect": effect, "sure": 1.0}


def facts_of(paths):
    return read_facts(Run(paths.root))


def test_the_list_holds_the_carriers_of_the_finding_the_strongest_first(answered):
    carried(
        answered,
        [carrier("daisy/1.jpg", 0.4), carrier("daisy/2.jpg", 0.9), carrier("t", 1.0, "tulip")],
    )
    seen = reported(answered)
    check_links(seen)
    (link,) = [a["href"] for a in seen.all("a") if a["href"].endswith(".csv")]
    with (answered.report / link).open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [row["image_id"] for row in rows] == ["daisy/2.jpg", "daisy/1.jpg"]
    assert [float(row["effect"]) for row in rows] == pytest.approx([0.9, 0.4])
    assert "2 photos of daisy that carry it" in seen.words


def test_without_carriers_the_list_holds_what_the_measured_photos_lose(answered):
    seen = reported(answered)
    (link,) = [a["href"] for a in seen.all("a") if a["href"].endswith(".csv")]
    (row,) = csv.DictReader((answered.report / link).read_text().splitlines())
    assert (row["image_id"], row["presence"]) == ("x", "")
    assert float(row["effect"]) == pytest.approx(0.81)  # of its two pairs; one has a cue put back
    assert "1 photo of daisy on which it was measured" in seen.words


def test_how_sure_a_confirmed_finding_is_stands_beside_what_to_do(answered):
    write(answered, [cell("daisy", "border", "confirmed", **relied(0.6))])
    told = reported(answered).words
    assert "How sure Confirmed by experiment: changing it moves the probability by 0.60 (" in told
    write(answered, [cell("daisy", "border", "undetermined", **relied(0.6)) | {"because": "x"}])
    assert "Confirmed by experiment" not in reported(answered).words


def test_what_is_expected_is_what_was_measured(answered):
    told = reported(answered).words
    assert (
        "accuracy on photos of daisy with the border of another class rises from 20% towards 97%"
        in told
    )
    row = EMPTY | {"accuracy_with": 0.5, "accuracy_without": 0.6}
    assert expected(replace(finding(), row=row)) is None  # there is nothing to gain
    assert expected(finding()) is None  # nothing was measured
    assert expected(replace(finding(), question="carrier_pull", row=row)) is None


def test_likely_findings_come_last_and_say_what_would_settle_them(answered):
    said = "about 90 images would decide."
    write(
        answered,
        [
            cell("daisy", "border", "undetermined", **relied(0.6)) | {"because": said},
            cell("daisy", "background", "undetermined", **relied(0.1)),
            cell("tulip", "colour", "confirmed", **relied(0.3)),
        ],
    )
    found = actions(Run(answered.root), facts_of(answered), folder="lists")
    assert [(a.finding.cue, a.sure) for a in found.shown] == [("colour", True), ("border", False)]
    told = reported(answered).words
    assert "daisy: border likely, not decided" in told
    assert f"To settle it {said}" in told


def test_nothing_found_is_nothing_to_do(answered):
    write(answered, [cell("daisy", "border", "clear", **relied(0.0))])
    seen = reported(answered)
    assert "todo" not in {attrs.get("id") for _, attrs in seen.tags}
    check_links(seen)


def test_what_has_no_space_is_counted(answered, monkeypatch):
    monkeypatch.setattr(actions_module, "MOST_ACTIONS", 1)
    cues = ("border", "background", "colour")
    write(answered, [cell("daisy", cue, "confirmed", **relied(0.5)) for cue in cues])
    assert "2 more findings are in evidence.parquet" in reported(answered).words


@pytest.mark.parametrize(
    ("cue", "word"),
    [
        ("border", "10% of the shorter side"),
        ("corner_top_left", "the top left corner"),
        ("background", "before the backgrounds of other classes"),
        ("colour", "white balance"),
        ("jpeg_quality", "Re-encode"),
        ("resolution", "the resolution of the smallest"),
        ("sharpness", "blur"),
        ("aspect_ratio", "without bars"),
        ("cluster_2", "outlined region"),
        ("stamp", "the mark"),
        ("mine:Sky", "Make the Sky the same in all photos"),
    ],
)
def test_the_remedy_follows_from_the_cue(answered, cue, word):
    assert word in remedies(finding(cue=cue), facts_of(answered))[0]


def test_the_remedy_follows_from_what_was_measured(answered):
    facts = facts_of(answered)

    def told(groups=(), **row) -> str:
        return " ".join(remedies(finding(**row), facts, groups))

    assert "the 7 photos in the list out" in told(carrier_share=0.2, n_carriers=7)
    assert "without it: 98% carry it" in told(carrier_share=0.98, n_carriers=7)
    assert "carry it" not in told()
    assert "mend the top left corner and the colour cast too" in told(
        redundant_with="corner_top_left+colour"
    )
    assert "is the object's own" in told(cue="colour", object_included=True)
    assert "group studio: collect" in told(["studio"])
    assert "Split by group" in told(["studio", "field"])


def test_the_command_is_the_run_s_own_with_the_cue(answered):
    given = ["dataset=imagefolder", "dataset.root=my photos", "cues=[border,colour]", "seed=3"]
    given += ["stages=[report]", f"output_dir={answered.root}", "shard=1/2"]
    noted(answered, arguments=["--config-dir=/conf", *given])
    run = Run(answered.root)
    kept = ["--config-dir=/conf", "dataset=imagefolder", "dataset.root=my photos", "seed=3"]
    place = f"output_dir={answered.root}-again"
    start = ["python", "-m", "xai_audit"]
    assert shlex.split(command(run, ["border"])) == [*start, *kept, "cues=[border]", place]
    assert shlex.split(command(run, ["cluster_1"])) == [*start, *kept, place]
    assert shlex.split(own_command(run))[4:] == given
    assert command(run, ["border"]) in reported(answered).text


def test_the_command_is_one_that_the_program_takes(answered):
    """What the page prints composes to the audit that was, of one cue in another folder."""
    given = ["dataset=imagefolder", "dataset.root=my photos", "method=lime", "method.samples=9"]
    before = compose([*given, "model.arch=resnet18", "cues=[border,colour]", "limit=5"])
    noted(answered, arguments=[*before.arguments])
    line = command(Run(answered.root), ["border"])
    after = compose(shlex.split(line)[3:])
    same = {"cues": before.config["cues"], "output_dir": None}
    assert after.config | same == before.config
    assert after.settings.cues == ["border"]
    assert after.settings.output_dir == f"{answered.root}-again"


def test_what_was_in_memory_has_no_command(answered):
    assert command(Run(answered.root), ["border"]) is None  # of an older version
    noted(answered, arguments=["model=memory", "model.key=x"])
    assert command(Run(answered.root), ["border"]) is None
    assert 'The same call of xai_audit.audit , with cues=["border"]' in reported(answered).words


@pytest.mark.parametrize("name", HOSTILE, ids=["tag", "quotes", "rtl", "newline", "long"])
def test_hostile_names_come_out_as_they_are(answered, name):
    write(answered, [cell(name, "border", "confirmed", **relied(0.5))])
    carried(answered, [carrier(f"{name}/1.jpg", 0.5, name)])
    noted(answered, arguments=[f"dataset.root={name}"])
    seen = reported(answered)
    check_links(seen)
    assert seen.all("script") == []
    assert f"{name}: border" in "".join(seen.text)
    (link,) = [a["href"] for a in seen.all("a") if a["href"].endswith(".csv")]
    with (answered.report / link).open(newline="", encoding="utf-8") as file:
        assert [row["class_name"] for row in csv.DictReader(file)] == [name]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_spreadsheet_runs_no_name_of_a_list(answered, start):
    name = f"{start}cmd|' /C calc'!A0\r=1+1"
    write(answered, [cell(name, "border", "confirmed", **relied(0.5))])
    carried(answered, [carrier(f"{name}/1.jpg", 0.5, name), carrier("a/2.jpg", -0.5, name)])
    (action,) = actions(Run(answered.root), facts_of(answered), folder="lists").shown
    first, second = csv.DictReader(io.StringIO(action.content, newline=""))
    assert (first["class_name"], first["image_id"]) == (f"'{name}", f"'{name}/1.jpg")
    assert (second["image_id"], second["effect"]) == ("a/2.jpg", "-0.5")  # a number stays one


def test_a_list_that_no_page_shows_is_deleted(answered):
    reported(answered)
    (old,) = answered.report.glob("lists/*.csv")
    write(answered, [cell("tulip", "border", "confirmed", **relied(0.5))])
    carried(answered, [carrier("tulip/1.jpg", 0.5, "tulip")])
    reported(answered)
    assert [p.name for p in answered.report.glob("lists/*.csv")] != [old.name]
    assert not old.exists()
