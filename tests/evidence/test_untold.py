"""Confirmed cues of one class that a budget left together say so; others do not."""

from __future__ import annotations

import pandas as pd

from xai_audit.evidence.untold import with_untold

ROWS = [
    ("rose", "border", "confirmed"),
    ("rose", "background", "confirmed"),
    ("rose", "colour", "clear"),
    ("iris", "border", "confirmed"),
    ("iris", "stamp", "confirmed"),
    ("tulip", "border", "confirmed"),
    ("tulip", "background", "confirmed"),
    ("tulip", "colour", "confirmed"),
]


def told(*asked: str) -> list[str]:
    judged = pd.DataFrame(ROWS, columns=["class_name", "cue", "verdict"])
    judged = judged.assign(because="So.", way="region")
    judged.loc[judged["cue"] == "stamp", "way"] = "added"
    return [text.removeprefix("So.").strip() for text in with_untold(judged, asked)["because"]]


def test_only_confirmed_cues_beside_others_that_were_not_asked():
    rose, back, clear, alone, stamp, *tulips = told("tulip")
    assert rose.startswith("Whether it is not rather the background was not asked: the budget")
    assert back.startswith("Whether it is not rather the border was not asked")
    assert [clear, alone, stamp, *tulips] == [""] * 6


def test_of_several_others_each_is_named():
    assert "not rather the background or the colour cast was not" in told("rose")[5]


def test_the_rows_stay_as_they_are():
    judged = pd.DataFrame(ROWS, columns=["class_name", "cue", "verdict"])
    judged = judged.assign(because="So.", way="region")
    with_untold(judged, [])
    assert (judged["because"] == "So.").all()
