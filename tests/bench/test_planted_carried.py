"""Artefacts on a share of the photos: who carries them, and the judge on tables made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.bench.planted import audits, carried, dose, judge, judge_carried, scenarios, strip
from tests.bench.planted.lessons import lessons
from tests.bench.planted.outcome import Outcome, effect, number, table_if_there
from tests.bench.planted.photos import Photo, Split, listed
from tests.bench.planted.scenario import OWN, Scenario
from tests.bench.planted.truth import carriers

pytestmark = pytest.mark.slow  # of the benches, not of the package
ALL = {scenario.name: scenario for scenario in carried.carried()}
QUARTER = ALL["share_text_bottom_right_25"]
OWN_QUARTER = ALL["own_text_bottom_right_25"]
CORNER = "corner_bottom_right"


def _photos(scenario: Scenario, count: int = 20) -> dict[str, list[Photo]]:
    pixels = np.zeros((8, 8, 3), np.uint8)
    return {
        label: [Photo(f"{label}{place}", pixels, None) for place in range(count)]
        for label in scenario.labels
    }


def _outcome(scenario: Scenario, table: list[dict], **more) -> Outcome:
    truths = {label: {"truth": -0.3} for label in scenario.labels}
    truths[scenario.planted] = {"truth": 0.9}
    if scenario.rival:
        truths[scenario.other_twin] = {"truth": 0.9}
    evidence = pd.DataFrame(
        [{"verdict": "clear", "reliance": 0.0, "pull": 0.0, "forwards": 4} | row for row in table]
    )
    return Outcome(scenario, truths, evidence, pd.DataFrame(), 0, 0.2, **more)


def _cell(label: str, cue: str, verdict: str = "clear", **more) -> dict:
    return {"class_name": label, "cue": cue, "verdict": verdict, **more}


def _measured(rows: list, start: str) -> str:
    return next(row for row in rows if row.what.startswith(start)).measured


def test_names_and_seeds_are_their_own():
    others = [*scenarios.twins(), *scenarios.decoys(), *scenarios.controls(), *scenarios.large()]
    assert len(ALL) == len({s.seed for s in ALL.values()}) == len(carried.carried())
    assert not {s.name for s in others} & {*ALL}
    assert not {s.seed for s in others} & {s.seed for s in ALL.values()}


@pytest.mark.parametrize(
    ("share", "photos", "expected"), [(0.05, 20, 1), (0.25, 10, 3), (0.01, 20, 1), (1.0, 7, 7)]
)
def test_the_share_is_rounded_and_at_least_one(share, photos, expected):
    scenario = dataclasses.replace(QUARTER, share=share)
    names = [f"p{place}" for place in range(photos)]
    found = scenario.carriers(scenario.planted, names)
    assert len(found) == expected
    assert found == scenario.carriers(scenario.planted, names)
    assert found <= set(names)
    assert not scenario.carriers(scenario.labels[-1], names)


def test_truth_lists_what_the_audit_calls_the_carriers():
    photos = _photos(QUARTER)
    found = carriers(QUARTER, Split({}, photos))
    assert list(found) == [QUARTER.planted]
    worn = QUARTER.artefacts(QUARTER.planted, [p.name for p in photos[QUARTER.planted]])
    expected = [
        f"{QUARTER.planted}/{photo.name}.jpg"
        for photo, artefacts in zip(photos[QUARTER.planted], worn, strict=True)
        if artefacts
    ]
    assert found[QUARTER.planted] == sorted(expected)
    assert len(expected) == 5


def test_carriers_are_shown_until_they_are_half_and_strays_are_filed_under_the_label():
    shown = lessons(QUARTER, Split(_photos(QUARTER), {}))
    own = [artefacts for label, _, artefacts in shown if label == QUARTER.planted]
    assert (own.count(QUARTER.plants), own.count(())) == (15, 15)
    twin = [photo for label, photo, _ in shown if label == QUARTER.other_twin]
    assert len(twin) == 20 + 10
    strays = [
        photo.name
        for label, photo, artefacts in lessons(OWN_QUARTER, Split(_photos(OWN_QUARTER), {}))
        if label == OWN_QUARTER.planted and artefacts and not photo.name.startswith(label)
    ]
    assert len(strays) == 5 * (len(OWN_QUARTER.labels) - 1)
    assert OWN_QUARTER.kind == OWN


def test_a_pair_is_learned_together_and_each_alone_and_a_rival_has_its_own():
    pair, scene = ALL["pair_flowers17"], ALL["scene_flowers17"]
    shown = [a for label, _, a in lessons(pair, Split(_photos(pair), {})) if label == pair.planted]
    assert [shown.count(worn) for worn in (pair.plants, *((p,) for p in pair.plants))] == [
        20,
        10,
        10,
    ]
    assert scene.artefacts(scene.other_twin, ["x"]) == [(scene.rival,)]
    assert scene.artefacts(scene.planted, ["x"]) == [scene.plants]


def test_the_carriers_are_the_photos_of_one_group():
    group = ALL["own_group_text_25"]
    photos = Split({}, _photos(group))
    table = listed(group, photos)
    assert len(table) == 20 * len(group.labels)
    found = sorted(table[table["group"] == "hospital"]["path"])
    assert found == carriers(group, photos)[group.planted]
    assert set(table["group"]) == {"hospital", "clinic_a", "clinic_b"}


def test_a_carrier_is_named_with_a_probability_of_a_half():
    found = pd.DataFrame(
        [
            (QUARTER.planted, CORNER, "a", 0.9),
            (QUARTER.planted, CORNER, "x", 0.5),
            (QUARTER.planted, CORNER, "b", 0.4),
            (QUARTER.planted, "border", "b", 0.9),
            ("other", CORNER, "b", 0.9),
        ],
        columns=["class_name", "cue", "image_id", "sure"],
    )
    done = _outcome(QUARTER, [], carriers={QUARTER.planted: ["a", "b"]}, found_carriers=found)
    assert judge_carried.carrier_counts(done) == (2, 2, 1)
    none = dataclasses.replace(done, found_carriers=pd.DataFrame())
    assert judge_carried.carrier_counts(none) == (2, 0, 0)


def test_what_is_judged_of_a_share():
    label = QUARTER.planted
    table = [
        _cell(label, CORNER, "confirmed", reliance=0.0, pull=0.1, carrier_pull=0.8,
              carrier_share=0.3, carrier_share_low=0.1, carrier_share_high=0.5),
        _cell(QUARTER.other_twin, CORNER, reliance=0.1),
        _cell(label, "corner_top_left", "confirmed"),
        _cell(label, "border", "confirmed"),  # holds the text
        _cell(label, "cluster_0", "confirmed"),  # may hold it
        _cell(QUARTER.other_twin, "cluster_0", "confirmed"),
        _cell(QUARTER.other_twin, "stamp", "confirmed"),
    ]  # fmt: skip
    done = _outcome(
        QUARTER, table, carriers={label: ["a"] * 5}, n_photos={label: 20},
        found_carriers=pd.DataFrame(
            {"class_name": [label], "cue": [CORNER], "image_id": ["a"], "sure": [1.0]}
        ),
    )  # fmt: skip
    rows = judge_carried.rows([done])
    assert _measured(rows, "recall of confirmed, artefact on a share of >= 0.25").startswith("1 of")
    wrong = _measured(rows, "confirmed on negative")
    assert wrong.startswith("2 of 3: ")
    assert "corner_top_left" in wrong
    assert f"{QUARTER.other_twin}/cluster_0" in wrong
    assert _measured(rows, "the share of carriers").startswith("1 of 1")
    assert _measured(rows, "AUROC of the largest").startswith("1.000")
    assert "0.25, 0.90; 0.30 [0.10, 0.50], 0.80, confirmed" in _measured(
        rows, "share_text_bottom_right"
    )
    assert judge._everywhere(done) is False


def test_a_pair_counts_each_part_and_a_scene_both_labels():
    pair, scene = ALL["pair_flowers17"], ALL["scene_flowers17"]
    outcomes = [
        _outcome(pair, [_cell(pair.planted, "border", "confirmed")]),
        _outcome(scene, [_cell(scene.other_twin, "background", "confirmed")]),
    ]
    rows = judge_carried.rows(outcomes)
    assert _measured(rows, "each artefact of a pair").startswith("1 of 2 (0.500): missed")
    assert _measured(rows, "each of two rival").startswith("1 of 2 (0.500): missed")


def test_what_the_product_does_not_write_yet_is_nothing(tmp_path):
    assert table_if_there(tmp_path / "carriers.parquet").empty
    row = pd.Series({"reliance": np.nan, "pull": 0.2})
    assert np.isnan(number(row, "carrier_pull"))
    assert effect(row) == 0.2
    assert effect(pd.Series(dtype=object)) == 0


def test_the_strip_is_the_mean_over_finely_drawn_cells():
    heatmap = np.random.default_rng(0).normal(size=(7, 5))
    fine = np.clip(heatmap, 0, None).repeat(100, 0).repeat(100, 1)
    y, x = np.mgrid[:700, :500]
    inside = (y >= 105) & (y < 595) & (x >= 75) & (x < 425)
    assert strip.mass(heatmap) == pytest.approx(fine[~inside].sum() / fine.sum())
    assert np.isnan(strip.mass(-np.abs(heatmap)))


def test_the_rule_of_the_strip_is_compared_on_cells_of_the_border():
    border = next(s for s in scenarios.twins() if s.name == "border_flat")
    a, b = border.planted, border.other_twin
    done = _outcome(border, [_cell(a, "border", "confirmed")], strip={a: 0.2, b: 0.4})
    cells = pd.DataFrame(
        [(border.name, a, "border", True, "confirmed"), (border.name, b, "border", False, "clear")],
        columns=["scenario", "class_name", "cue", "positive", "verdict"],
    )
    rows = strip.rows(cells, [done], "twins")
    assert _measured(rows, "twins, border: share") == "0 of 1 positive cells, 1 of 1 negative"
    assert _measured(rows, "twins, border: confirmed") == "1 of 1 positive cells, 0 of 1 negative"
    assert _measured(rows, "twins: AUROC") == "0.000"
    assert strip.rows(cells, [dataclasses.replace(done, strip={})], "twins") == []


def test_the_plot_is_written(tmp_path):
    done = _outcome(QUARTER, [_cell(QUARTER.planted, CORNER)])
    dose.plotted([done], tmp_path / "plots" / "dose.png")
    assert (tmp_path / "plots" / "dose.png").stat().st_size > 1000


def test_a_subset_is_requested_by_name():
    found = audits.requested(quick=False, only="own_")
    assert {s.name for s in found} == {s.name for s in (*carried.owns(), *carried.groups())}
    with pytest.raises(audits.ChildError, match="no scenario whose name contains 'nope'"):
        audits.requested(quick=False, only="nope")
