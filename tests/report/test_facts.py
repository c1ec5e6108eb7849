from __future__ import annotations

import json

from xai_audit.report.facts import read_facts
from xai_audit.run.reader import Run
from xai_audit.types import Preprocess


def noted(tmp_path, value: object):
    (tmp_path / "run.json").write_text(json.dumps(value), encoding="utf-8")
    return read_facts(Run(tmp_path))


def test_preprocess_comes_back_from_json_as_it_was(tmp_path):
    facts = noted(
        tmp_path,
        {
            "preprocess": {
                "resize": [64, 48],
                "crop": [60, 40],
                "mean": [0.5, 0.5, 0.5],
                "std": [1, 1, 1],
                "scale": 1.0,
                "interpolation": "bicubic",
                "antialias": False,
                "unheard_of": 1,
            }
        },
    )
    expected = Preprocess((64, 48), (60, 40), (0.5, 0.5, 0.5), (1, 1, 1), 1.0, "bicubic", False)
    assert facts.preprocess == expected


def test_an_empty_file_is_tolerated_with_warnings(tmp_path):
    facts = noted(tmp_path, {})
    assert facts.preprocess == Preprocess()
    assert facts.border is None
    assert ["dataset_root" in w for w in facts.warnings] == [True, False]
    assert "preprocess" in facts.warnings[1]


def test_outputs_are_named_and_unnamed_ones_numbered(tmp_path):
    facts = noted(tmp_path, {"classes": {"0": "a", "7": "b"}})
    assert [facts.class_of(i) for i in (7, 7.0, 1, -1, None, float("nan"))] == [
        *("b", "b", "output 1", "output -1", "?", "?")
    ]


def test_methods_and_classes_stand_in_the_runs_own_order(tmp_path):
    facts = noted(
        tmp_path,
        {"classes": {"0": "b", "1": "a"}, "identity": {"methods": ["saliency", "gradcam"]}},
    )
    assert facts.methods_first(["gradcam", "lime", "saliency", "gradcam"]) == [
        *("saliency", "gradcam", "lime"),
    ]
    assert facts.classes_first(["a", "zebra", "b"]) == ["b", "a", "zebra"]


def test_the_target_layer_is_told_and_whether_it_was_found(tmp_path):
    model = {"target_layer": "layer4", "grid": [7, 5]}
    asked = {"config": {"model": {"target_layer": None}}}
    assert (
        noted(tmp_path, {"model": model} | asked).layer
        == "layer4, 7 × 5 cells, found automatically"
    )
    asked["config"]["model"]["target_layer"] = "layer4"
    assert noted(tmp_path, {"model": model} | asked).layer == "layer4, 7 × 5 cells, given"
    assert noted(tmp_path, {"model": "tiny"}).layer is None
