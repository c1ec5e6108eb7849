from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.confusion.planted import NAMES, evidence, photo, rows, run_of
from xai_audit.confusion.because import because
from xai_audit.confusion.gather import Moments
from xai_audit.confusion.output import boundaries, difference
from xai_audit.confusion.pairs import most_confused
from xai_audit.schema import BOUNDARIES, REGIONS


def table(paths, *, pairs: int = 10, evidence=None, names=NAMES) -> pd.DataFrame:
    seen = []
    found = boundaries(paths, names, pairs=pairs, evidence=evidence, progress=seen.append)
    assert found.schema.equals(BOUNDARIES, check_metadata=False)
    return found.to_pandas()


def test_pairs_by_confusion_then_by_nearness_then_by_name(tmp_path):
    found = most_confused(run_of(tmp_path), NAMES, method="gradcam", pairs=10)
    told = [(pair.names, pair.confused, pair.near) for pair in found]
    assert told == [
        (("daisy", "tulip"), 3, 2.0),  # 0.5, 1.5, 2, 2.5, 3: of both directions
        (("rose", "tulip"), 0, 0.75),
        (("daisy", "rose"), 0, 3.0),
    ]
    assert found[0].directions == (("daisy", "tulip"), ("tulip", "daisy"))
    two = most_confused(run_of(tmp_path / "again", rows()[::-1]), NAMES, method="gradcam", pairs=2)
    assert two == found[:2]


def test_a_planted_boundary_is_described(tmp_path):
    told = table(run_of(tmp_path / "run"), evidence=evidence(tmp_path / "evidence.parquet"))
    assert list(told.pair) == [1, 1, 2, 2, 3, 3]
    first = told.iloc[0]
    assert (first.class_name, first.other_class, first.method) == ("daisy", "tulip", "gradcam")
    assert (first.n_images, first.n_confused, first.n_others, first.n_undefined) == (12, 3, 20, 0)
    assert first.margin_mean == first.margin_median == 3.0
    assert first.mass_border == pytest.approx(0.71)
    assert first.excess_border == pytest.approx(0.71 - 0.22)
    assert first.excess_object == pytest.approx(0, abs=1e-6)
    assert math.isnan(first.excess_background)
    assert first.region == "border"
    assert 0.4 < first.region_low < first.region_excess < first.region_high < 0.6
    assert np.argmax(first.mean_map) == 1
    assert (first.height, first.width) == (4, 4)
    assert list(first.image_ids) == [f"daisy/0{n}" for n in (3, 2, 4, 1, 5, 0)]
    assert list(first.margins) == [0.5, -0.5, 1.5, -1.5, 2.5, -2.5]
    assert list(first.cues) == ["border", "background", "colour"]
    assert list(first.verdicts) == ["confirmed", "suspected", "suspected"]
    assert first.because == (
        "3 of the 12 photos of daisy whose strongest rival is tulip are taken for it; the border "
        "holds 49 points more of their relevance than in the class's 20 photos with another rival "
        "(48 to 50); the evidence holds the border (confirmed), the background (suspected) and 1 "
        "more against daisy, and holds nothing against tulip."
    )


def test_directions_and_classes_without_photos_are_null_not_zero(tmp_path):
    told = table(run_of(tmp_path)).set_index(["class_name", "other_class"])
    back = told.loc[("tulip", "daisy")]
    assert (back.n_images, back.n_confused, back.n_others) == (5, 0, 0)
    assert back.mass_border == pytest.approx(0.3)
    assert math.isnan(back.excess_border)
    assert pd.isna(back.region)
    assert back.cues is None
    assert "no other photos of tulip" in back.because
    assert "evidence" not in back.because
    none = told.loc[("rose", "daisy")]
    assert none.n_images == 0
    assert math.isnan(none.margin_mean)
    assert math.isnan(none.mass_border)
    assert none.mean_map is None
    assert len(none.image_ids) == 0
    assert none.because == "No photo of rose has daisy as its strongest rival."


def test_unusable_rows_and_outputs_that_are_no_class(tmp_path):
    even = {"border": 0.5}
    more = [
        photo("tulip/empty", "daisy", 0.25, even, heatmap=np.zeros(16, np.float16)),
        photo("tulip/nan", "daisy", math.nan, even) | {"pred": None, "against": None},
        photo("rose/stranger", "tulip", -9.0, even) | {"against": 7, "pred": 7},
    ]
    told = table(run_of(tmp_path, rows() + more)).set_index(["class_name", "other_class"])
    back = told.loc[("tulip", "daisy")]
    assert (back.n_images, back.n_undefined) == (6, 1)
    assert back.image_ids[0] == "tulip/empty"
    assert sum(back.mean_map) == pytest.approx(1)
    assert (told.n_confused.sum(), len(told)) == (3, 6)
    assert told.loc[("rose", "tulip")].n_others == 1  # the stranger is a rose like any other


def test_methods_each_have_their_rows_and_no_margin_has_none(tmp_path):
    both = rows() + [r | {"method": "saliency"} for r in rows()]
    told = table(run_of(tmp_path / "both", both), pairs=1)
    assert list(told.method) == ["gradcam", "saliency"] * 2
    assert (told.n_images.iloc[0], told.n_others.iloc[0]) == (12, 20)
    labels = [r | {"target_kind": "label", "against": None} for r in rows()]
    assert len(table(run_of(tmp_path / "labels", labels))) == 0
    assert len(table(run_of(tmp_path / "none", []))) == 0


def test_the_sentence_in_every_case():
    row = {"class_name": "a", "other_class": "b", "n_images": 1, "n_confused": 1, "n_others": 1}
    row |= {"region": "corner_top_left", "region_excess": -0.01}
    assert because(row, None, None) == (
        "The one photo of a whose strongest rival is b is taken for it; the top left corner holds "
        "1 point less of their relevance than in the class's 1 photo with another rival, too few "
        "to tell a difference from chance."
    )
    row |= {"n_images": 3, "region_low": -0.2, "region_high": 0.1}
    assert because(row, [], [("border", "suspected")]) == (
        "1 of the 3 photos of a whose strongest rival is b is taken for it; no region reliably "
        "holds more or less of their relevance than in the class's 1 photo with another rival; "
        "the evidence holds nothing against a, and holds the border (suspected) against b."
    )
    assert because(row | {"n_confused": 3}, None, None).startswith("All of the 3 photos")
    assert because(row | {"n_confused": 0}, None, None).startswith("None of the 3 photos")


def test_difference_is_welchs_at_bonferronis_level():
    rng = np.random.default_rng(0)
    inside, outside = rng.beta(2, 5, (9, len(REGIONS))), rng.beta(3, 3, (30, len(REGIONS)))
    inside[:, 3:], inside[0, 1] = np.nan, np.nan
    parts = [Moments(), Moments()]
    one = Moments()
    one.add(inside)
    for moments, some in zip(parts, (outside[:4], outside[4:]), strict=True):
        moments.add(some)
    found = difference(one, parts)
    assert found.others == 30
    for place in range(3):
        a = inside[~np.isnan(inside[:, place]), place]
        test = stats.ttest_ind(a, outside[:, place], equal_var=False)
        interval = test.confidence_interval(1 - 0.05 / 3)
        assert (found.low[place], found.high[place]) == pytest.approx(tuple(interval), abs=1e-9)
        assert found.excess[place] == pytest.approx(a.mean() - outside[:, place].mean())
    assert np.isnan(found.excess[3:]).all()
    assert found.region == int(np.argmax(np.abs(found.excess[:3])))


def test_a_sure_difference_goes_before_a_larger_one_by_chance():
    one, other = Moments(), Moments()
    masses = np.full((6, len(REGIONS)), np.nan)
    masses[:, 0], masses[:, 1] = [0, 1, 1, 0, 1, 0], 0.3  # far apart among themselves; all alike
    one.add(masses)
    masses[:, 0], masses[:, 1] = [0, 1, 0, 0, 0, 0], 0.2
    other.add(masses)
    found = difference(one, [other])
    assert abs(found.excess[0]) > abs(found.excess[1])
    assert found.low[0] < 0 < found.high[0]
    assert found.region == 1


def test_one_photo_has_an_excess_without_an_interval():
    one, other = Moments(), Moments()
    one.add(np.full((1, len(REGIONS)), 0.75))
    other.add(np.full((4, len(REGIONS)), 0.25))
    found = difference(one, [other])
    assert found.excess == pytest.approx(np.full(len(REGIONS), 0.5))
    assert np.isnan(found.low).all()
    assert found.region == 0
    same = Moments()
    same.add(np.full((4, len(REGIONS)), 0.75))
    sure = difference(same, [other])
    assert (sure.low == sure.high).all()
