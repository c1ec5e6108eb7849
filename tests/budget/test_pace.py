"""What some seconds pay for, by arithmetic that can be done by hand."""

from __future__ import annotations

import pytest

from tests import tiny
from xai_audit.budget.pace import Pace, Reach, first, further, more, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"), [("60", 60), ("60s", 60), ("5m", 300), ("1.5h", 5400), ("0.5s", 0.5)]
)
def test_a_time_is_seconds_minutes_or_hours(text, seconds):
    assert seconds_of(text) == seconds


def test_a_first_look_spends_four_tenths_on_photos_and_a_fifth_of_the_rest_on_forwards():
    pace = Pace(photo=0.1, survey=0.3, closing=10)
    # Of 110 s ten are the report's. 40 of the others are 100 photos, and of the 60 s that are left
    # then 12 are 120 forwards at a photo's pace.
    assert first(pace, 110, photos=1000, classes=5) == Reach(100, 120)
    # All photos take 4 s: of the other 96 a fifth is 192 forwards.
    assert first(pace, 110, photos=10, classes=5) == Reach(10, 192)


def test_a_first_look_has_eight_photos_a_class_if_seven_tenths_pay_for_them():
    pace = Pace(photo=0.1, survey=0.3, closing=10)
    assert first(pace, 110, photos=1000, classes=20) == Reach(160, 72)
    assert first(pace, 110, photos=1000, classes=1000) == Reach(175, 64)


def test_time_that_is_up_still_has_what_was_explained_and_the_least_forwards():
    pace = Pace(photo=0.1, survey=0.1)
    assert first(pace, -5, photos=1000, classes=3) == Reach(1, 64)
    assert first(pace, -5, photos=1000, classes=3, least=48) == Reach(48, 64)


def test_what_is_left_goes_to_forwards_less_the_report_with_some_room():
    pace = Pace(photo=1, survey=1, forward=0.01, closing=8)
    assert more(pace, Reach(50, 100), 30) == Reach(50, 100 + 2000)
    assert more(pace, Reach(50, 100), 9) == Reach(50, 100)
    # Of which none was measured one takes a photo's time.
    assert more(Pace(photo=1, survey=1, closing=0), Reach(50, 100), 30) == Reach(50, 130)


def test_photos_are_added_where_they_become_many_more_and_cost_their_survey_anew():
    pace = Pace(photo=0.1, survey=0.3, forward=0.01, closing=0)
    # (40 s + 5 s that 50 photos took) / 0.4 s = 112 photos: 62 new ones, all of them surveyed.
    left = 100 - 62 * 0.1 - 112 * 0.3
    found = further(pace, Reach(50, 7), 100, photos=1000, is_open=True)
    assert found == Reach(112, 7 + int(left / 0.01))


def test_photos_stay_where_they_would_become_few_more():
    pace = Pace(photo=0.1, survey=0.3, forward=0.01, closing=0)
    assert further(pace, Reach(100, 7), 100, photos=1000, is_open=True).photos == 100
    # but the last few of all are worth it
    assert further(pace, Reach(100, 7), 100, photos=110, is_open=True).photos == 110


def test_where_every_pair_is_measured_photos_are_what_is_bought():
    pace = Pace(photo=0.1, survey=0.3, forward=0.01, closing=0)
    # Seven tenths of 100 s and the 10 s that 100 photos took are 200 photos.
    found = further(pace, Reach(100, 7), 100, photos=1000, is_open=False)
    assert found == Reach(200, 7 + int((100 - 100 * 0.1 - 200 * 0.3) / 0.01))


def test_where_all_photos_are_in_they_cost_nothing_and_forwards_go_on_while_pairs_are_left():
    pace = Pace(photo=0.1, survey=0.3, forward=0.01, closing=0)
    before = Reach(1000, 100)
    assert further(pace, before, 200, photos=1000, is_open=True) == more(pace, before, 200)
    assert further(pace, before, 200, photos=1000, is_open=False) == before


def test_photos_that_cost_nothing_are_not_divided_by():
    assert first(Pace(photo=0, survey=0), 20, photos=1000, classes=2).photos == 1000


@pytest.mark.parametrize("text", ["0", "0s", "-5", "soon", "5d", "1e3s", "s", ""])
def test_another_text_is_refused_in_a_line(text, tmp_path):
    done = tiny.audit(["dataset=imagefolder", f"dataset.root={tmp_path}", f"budget='{text}'"])
    assert done.returncode == 2
    assert "budget" in done.stderr.splitlines()[-1]
    assert "seconds, as 60 or 60s, 5m or 1.5h" in done.stderr
