"""Accepted cells: read strictly, not counted until their day has passed, shown with their state."""

from __future__ import annotations

from datetime import date

import pytest

from tests.gate.runs import cell, effect, made
from xai_audit.config.nodes import GateConfig
from xai_audit.errors import ConfigError
from xai_audit.gate.judge import judged
from xai_audit.report.accepted import read_accepted
from xai_audit.run.reader import Run

ENTRY = "- {cell: daisy/border, reason: known, by: Ada, until: %s}\n"
CELLS = [cell("daisy", verdict="confirmed", **effect(0.8, 0.1)), cell("tulip")]


@pytest.fixture
def file(tmp_path):
    """Writes the file and says where it is."""

    def written(text):
        place = tmp_path / "accepted.yaml"
        place.write_text(text, encoding="utf-8")
        return str(place)

    return written


def test_an_acceptance_holds_until_its_day_has_passed(tmp_path, file):
    run = Run(made(tmp_path / "out", CELLS).root)
    place = file(ENTRY % "2027-01-31")
    for day, group, state in (
        (date(2027, 1, 31), "passed", "in force"),
        (date(2027, 2, 1), "violated", "expired"),
    ):
        settings = GateConfig(max_confirmed=0, max_reliance={"border": 0.5}, accepted=place)
        result = judged(run, settings, day)
        assert [each.group for each in result.outcomes] == [group, group]
        ((acceptance, said),) = result.accepted
        assert (acceptance.by, said) == ("Ada", state)


def test_accepted_cells_are_counted_nowhere(tmp_path, file):
    cells = [cell("daisy", verdict="undetermined"), cell("tulip")]
    run = Run(made(tmp_path / "out", cells).root)
    settings = GateConfig(max_undetermined=0.1, accepted=file(ENTRY % "2027-01-31"))
    (found,) = judged(run, settings, date(2026, 1, 1)).outcomes
    assert (found.group, found.found) == ("passed", "0: 0 of 1 cells")
    made(tmp_path / "out", cells[:1])
    settings.max_reliance = {"border": 0.1}
    found = judged(Run(run.root), settings, date(2026, 1, 1)).outcomes
    assert {each.group for each in found} == {"not applicable"}


def test_a_cell_that_is_not_there_is_named(tmp_path, file):
    run = Run(made(tmp_path / "out", CELLS).root)
    place = file((ENTRY % "2027-01-31").replace("border", "bordr"))
    result = judged(run, GateConfig(max_confirmed=0, accepted=place), date(2026, 1, 1))
    ((_, state),) = result.accepted
    assert state == "not in this run; did you mean 'daisy/border'?"
    assert result.failed


def test_allow_takes_some_and_needs_an_entry(file):
    place = file(ENTRY % "2027-01-31" + (ENTRY % "2027-01-31").replace("daisy", "a/b"))
    assert [each.cell for each in read_accepted(place)] == ["daisy/border", "a/b/border"]
    assert [each.cell for each in read_accepted(place, ["a/b/border"])] == ["a/b/border"]
    assert read_accepted(place, []) == ()
    with pytest.raises(ConfigError, match=r"gate.allow=\[daisy/bordr\].*did you mean 'daisy/bor"):
        read_accepted(place, ["daisy/bordr"])


def test_the_file_of_the_current_folder_is_taken(tmp_path, file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_accepted(None) == ()
    file(ENTRY % "2027-01-31")
    assert len(read_accepted(None)) == 1
    with pytest.raises(ConfigError, match="cannot read the accepted cells: other.yaml"):
        read_accepted("other.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *[
            (ENTRY % day, f"entry 1, until | expected YYYY-MM-DD | got {day}")
            for day in (
                "2027-02-30",
                "2027-1-5",
                "31.01.2027",
                "20270131",
                "tomorrow",
                "2027-W05-1",
            )
        ],
        (ENTRY % '"2027-01-31 "', "not a day"),
        (ENTRY % "2027-01-31" * 2, "accepted twice"),
        ("- {cell: daisy/border, reason: x, by: Ada}", "expected the keys cell, reason, by, until"),
        ("- {cell: daisy, reason: x, by: Ada, until: 2027-01-31}", "cell | expected class/cue"),
        ("- {cell: a/b, reason: '', by: Ada, until: 2027-01-31}", "reason | expected a text"),
        ("- {cell: a/b, reason: [1], by: Ada, until: 2027-01-31}", "reason | expected a text"),
        ("- daisy/border", "expected the keys"),
        ("daisy/border: 2027-01-31", "not a list of accepted cells"),
        ("", "got nothing"),
        ("- {cell: [", "cannot read the accepted cells"),
    ],
)
def test_what_is_wrong_is_one_line(file, text, said):
    with pytest.raises(ConfigError) as caught:
        read_accepted(file(text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
