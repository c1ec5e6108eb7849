"""Other trunks, sizes and missing masks; victims, heatmaps beside, forwards, on small tables."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.bench import cost
from tests.bench.planted import (
    beside,
    carried,
    convnext,
    judge_kinds,
    judge_victims,
    scenarios,
    varied,
)
from tests.bench.planted.build import overrides
from tests.bench.planted.outcome import Outcome, effect
from tests.bench.planted.photos import Photo, Split, reshaped, written
from tests.bench.planted.scenario import CONVNEXT
from tests.bench.planted.train import predicted
from tests.bench.planted.truth import victims
from xai_audit.run.paths import RunPaths

pytestmark = pytest.mark.slow  # of the benches, not of the package
ALL = {scenario.name: scenario for scenario in varied.varied()}
BORDER = next(s for s in scenarios.twins() if s.name == "border_flat")
A, B = BORDER.planted, BORDER.other_twin


def _photo(height: int = 100, across: int = 100, name: str = "p") -> Photo:
    pixels = np.full((height, across, 3), 90, np.uint8)
    mask = np.zeros((height, across), np.uint8)
    mask[height // 4 : -height // 4, across // 4 : -across // 4] = 255
    return Photo(name, pixels, mask)


def test_names_and_seeds_are_their_own():
    others = [*scenarios.twins(), *scenarios.decoys(), *scenarios.controls(), *carried.carried()]
    assert len(ALL) == len({s.seed for s in ALL.values()}) == len(varied.varied())
    assert not {s.name for s in others} & {*ALL}
    assert not {s.seed for s in others} & {s.seed for s in ALL.values()}


def test_photos_are_small_and_large_of_several_shapes_with_their_masks():
    found = [reshaped(_photo(name=f"p{place}"), 5) for place in range(40)]
    shapes = {photo.pixels.shape[:2] for photo in found}
    assert {min(shape) for shape in shapes} == {160, 256, 448}
    assert {np.sign(height - across) for height, across in shapes} == {-1, 0, 1}
    for photo in found:
        assert photo.mask.shape == photo.pixels.shape[:2]
        assert {*np.unique(photo.mask)} == {0, 255}
    again = reshaped(_photo(name="p3"), 5)
    assert np.array_equal(again.pixels, found[3].pixels)


def test_a_photo_that_is_not_square_keeps_its_shape():
    height, across = reshaped(_photo(100, 150), 5).pixels.shape[:2]
    assert across / height == pytest.approx(1.5, abs=0.01)


def test_without_masks_none_is_written_and_the_audit_is_given_none(tmp_path):
    scenario = ALL["maskless_border_flat"]
    photos = Split({}, {label: [_photo(name=f"{label}0")] for label in scenario.labels})
    written(scenario, photos, tmp_path / "without")
    assert not [*(tmp_path / "without").rglob("*.png")]
    assert "masks=none" in overrides(scenario, tmp_path)
    with_masks = dataclasses.replace(scenario, masks=True)
    written(with_masks, photos, tmp_path / "with")
    assert len([*(tmp_path / "with").rglob("*.png")]) == len(scenario.labels)
    assert "masks=folder" in overrides(with_masks, tmp_path)


def test_the_audit_builds_the_net_that_was_trained(tmp_path):
    scenario = ALL["convnext_border_flat"]
    keys = overrides(scenario, tmp_path)
    assert "model.factory=tests.bench.planted.convnext:network" in keys
    assert f"model.preprocess.crop={scenario.side}" in keys
    assert scenario.trunk == CONVNEXT
    assert convnext.network(3)(torch.zeros(2, 3, scenario.side, scenario.side)).shape == (2, 3)


def test_a_small_convnext_learns_dark_from_light():
    photos = [np.full((40, 40, 3), 40 + 120 * (place % 2), np.uint8) for place in range(32)]
    labels = [place % 2 for place in range(32)]
    model = convnext.trained(photos, labels, seed=1, epochs=4)
    assert not model.training
    found = predicted(model, photos[:2], 112)
    assert found.tolist() == [0, 1]


def test_the_effect_of_a_cell_is_the_largest_whatever_its_verdict():
    row = pd.Series({"reliance": 0.1, "pull": np.nan, "whole": 0.6, "verdict": "clear"})
    assert effect(row) == 0.6


def test_a_victim_is_a_photo_that_became_the_class_by_the_artefact():
    number = BORDER.labels.index(A)

    def answers(label: str, artefacts: tuple) -> np.ndarray:
        worn = bool(artefacts)
        if label == B:
            return np.array([number] * 3 + [-1]) if worn else np.array([number, -1, -1, -1])
        return np.full(4, -1)

    found = victims(BORDER, answers)
    assert [*found] == [A]
    assert found[A]["border"][B] == 0.5  # one of the three was the class's before
    assert A not in found[A]["border"]
    assert {found[A]["border"][other] for other in BORDER.classes[1:]} == {0.0}


def _outcome(pulls: list[tuple], truth: float = 0.9) -> Outcome:
    table = pd.DataFrame(
        [(A, "border", *row) for row in pulls],
        columns=["class_name", "cue", "victim_class", "changed", "changed_low", "changed_high"],
    )
    shares = {B: 0.9, "crocus": 0.3, "sunflower": 0.0}
    truths = {label: {"truth": -0.3} for label in BORDER.labels} | {A: {"truth": truth}}
    return Outcome(
        BORDER, truths, pd.DataFrame(), pd.DataFrame(), 0, 0.2,
        victims={A: {"border": shares}}, pulls=table,
    )  # fmt: skip


def test_victims_are_judged_by_the_share_that_changes():
    good = _outcome([(B, 0.8, 0.6, 0.95), ("crocus", 0.5, 0.4, 0.6), ("pansy_x", 1.0, 0.9, 1.0)])
    inside, first = judge_victims.rows([good])
    assert (
        inside.measured
        == "1 of 2 (0.500): not border_flat border of crocus (0.30 not in 0.40 to 0.60)"
    )
    assert first.measured == "1 of 1 (1.000)"
    bad = _outcome([(B, 0.1, 0.0, 0.95), ("crocus", 0.5, 0.2, 0.6)])
    assert judge_victims.rows([bad])[1].measured == f"0 of 1 (0.000): not border_flat {A}/border"
    assert judge_victims.rows([_outcome([(B, 0.8, 0.6, 0.95)], truth=0.3)]) == []


def test_kinds_of_scenarios_are_told_with_what_is_wrong():
    names = ("convnext_border_flat", "maskless_border_flat")
    cells = pd.DataFrame(
        [(names[0], "a", "border", True, "confirmed"), (names[0], "b", "border", False, "clear"),
         (names[1], "a", "border", True, "suspected"), ("other", "a", "border", True, "clear")],
        columns=["scenario", "class_name", "cue", "positive", "verdict"],
    )  # fmt: skip
    trunk, masks = judge_kinds.rows(cells, [ALL[name] for name in names])
    assert trunk.measured == "1 of 1; 0 of 1"
    assert masks.what.startswith("no masks, 1 scenarios")
    assert masks.measured == "0 of 1; 0 of 0: maskless_border_flat a/border suspected"


def test_heatmaps_are_compared_on_the_same_cells():
    mass = pd.DataFrame({"border": [0.3, 0.2]}, index=[A, B])
    done = dataclasses.replace(_outcome([]), mass=mass, strip={A: 0.2, B: 0.5})
    cells = pd.DataFrame(
        [(A, "border", True, 0.0, 0.9), (B, "border", False, 0.1, 0.1),
         (B, "sharpness", False, 0.5, 0.95)],
        columns=["class_name", "cue", "positive", "reliance", "effect"],
    ).assign(scenario=BORDER.name, verdict="clear")  # fmt: skip
    found = {row.what.partition(",")[0]: row for row in beside.rows(cells, [done], "twins")}
    areas = found["AUROC of plain heatmap mass; reliance; largest effect"]
    assert areas.measured == "1.000; 0.000; 1.000"  # the property has no mass and counts for none
    assert areas.what.endswith("1 positive, 1 negative cells of regions")
    assert beside.rows(cells[:1], [done], "twins") == []


def test_forwards_are_told_with_those_before_carriers(tmp_path):
    questions = ["reliance", "reliance", "pull", "screening", "carrier_pull"]
    given = pa.array([None, None, None, None, "border"], pa.string())
    pq.write_table(
        pa.table({"question": questions, "given": given}), tmp_path / "transplants.parquet"
    )
    (tmp_path / "run.json").write_text('{"evidence": {"forwards": 9}}', encoding="utf-8")
    paths = SimpleNamespace(
        transplants=tmp_path / "transplants.parquet", run_json=tmp_path / "run.json"
    )
    assert cost.forwards(paths) == (9, 8)
    row = cost.decided_row([(9, 8), (3, 2)], 4, "")
    assert row.measured == "3.0; 2.5 (1.20x)"


def test_shares_of_the_time_count_a_stage_once_whatever_its_parts_say(tmp_path):
    seconds = {
        "evidence": 6,
        "survey": 2,
        "transplant": 4,
        "trust": 2,
        "adversarial": 1,
        "index": 1,
    }
    timings = {f"{stage}_seconds": spent for stage, spent in seconds.items()}
    timings |= {"evidence_cpu_seconds": 12}
    paths = RunPaths(tmp_path)
    paths.run_json.write_text(json.dumps({"timings": timings}))
    assert cost.share(paths, "evidence") == 0.6
    row = cost.checks_row(paths, "")
    assert (row.measured, row.met) == ("0.30", False)
