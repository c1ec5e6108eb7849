from __future__ import annotations

import pytest

from tests.report.conftest import CLASSES
from tests.report.test_between import compared
from tests.report.test_page import check_links, reported
from tests.report.test_verdicts import answered
from xai_audit.report.tables import habits, unusual
from xai_audit.run.reader import Run

__all__ = ["answered", "compared"]


def test_what_most_photos_of_a_class_are_flagged_for_is_a_habit():
    counts = {("a", "border"): 6, ("b", "border"): 5, ("a", "mistake"): 9, ("c", "border"): 3}
    assert habits(counts, {"a": 10, "b": 10}) == {("a", "border"): 6, ("c", "border"): 3}


@pytest.fixture
def habitual(builder):
    """Every daisy but one peaks off the object; one of these is wrong, too; a tulip is wrong."""
    for name in CLASSES:
        for number in range(9):
            image_id = f"{name}/{number}.jpg"
            builder.photo(image_id)
            wrong = {"pred": 1 if name == "daisy" else 0} if number == 3 else {}
            builder.add(image_id, **wrong, pointing_hit=name == "tulip" or number == 0)
    return builder.write()


def test_a_habit_is_one_line_and_no_photo_to_look_at(habitual):
    seen = reported(habitual)
    check_links(seen)
    assert "2 photos deserve a look." in seen.words  # those that are wrong
    assert "daisy : peak off the object in 8 of 9 photos." in seen.words
    assert "Peak off the object: a habit of the class, in 8 of 9 photos" in seen.words
    assert "tulip : peak" not in seen.words
    run = Run(habitual.root)
    assert unusual(run, []) == 9
    assert unusual(run, [("daisy", "off_object")]) == 2


def test_every_cell_of_the_matrix_leads_to_its_reason(answered):
    seen = reported(answered)
    check_links(seen)
    cells = [a for a in seen.all("a") if (a.get("class") or "").startswith("v ")]
    targets = [a["href"].removeprefix("#") for a in cells]
    assert len(targets) == len({*targets}) == 6
    rows = {tr.get("id") for tr in seen.all("tr")}
    assert {*targets} <= rows
    text = answered.index_html.read_text(encoding="utf-8")
    first = text[text.index(f'id="{targets[0]}"') :].partition("</tr>")[0]
    assert "Said of daisy and &lt;border&gt;." in first
    assert ">daisy</th><td>border</td><td>confirmed</td>" in first


def test_classes_that_nobody_confuses_are_only_neighbours(compared):
    confused = reported(compared).words
    assert "Classes that the model confuses" in confused
    rows = Run(compared.root).boundaries
    rows["n_confused"] = 0
    rows.to_parquet(compared.boundaries)
    seen = reported(compared)
    check_links(seen)
    assert "Classes next to each other No photo is predicted as another" in seen.words
    assert "Classes that the model confuses" not in seen.words
    inside = seen.words.partition("The photos that come nearest to it")[2]
    assert "First the pairs" in inside


def test_photos_are_printed_where_they_are_chosen(answered):
    seen = reported(answered)
    (box,) = seen.all("input")
    assert (box["type"], box["id"]) == ("checkbox", "print-galleries")
    assert "checked" not in box
    assert seen.words.count("Print these photos") == 1
