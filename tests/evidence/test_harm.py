from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from xai_audit.evidence.heatmaps import predictions
from xai_audit.evidence.offered import groups, harm
from xai_audit.run.files import write_table
from xai_audit.run.paths import RunPaths
from xai_audit.schema import MANIFEST, SCORES


def test_accuracy_on_either_side_of_the_cue():
    presence = np.array([1.0, 0.9, 0.8, 0.1, np.nan, 0.0, 0.05, 0.0])
    mine = np.array([True] * 5 + [False] * 3)
    correct = np.array([True, True, False, False, True, True, True, True])
    found = harm(presence, mine, correct)
    assert (found.n_agree, found.n_disagree) == (3, 1)
    assert found.agree == pytest.approx(2 / 3)
    assert found.disagree == 0


def test_nobody_to_compare_with_is_undefined():
    found = harm(np.array([1.0, 0.0]), np.array([True, True]), np.array([True, True]))
    assert np.isnan(found.agree)
    assert found.n_agree == 0


def test_groups_by_the_dataset_s_own_column(tmp_path):
    paths = RunPaths(tmp_path)
    groups_of, preds = ["x", "x", "y", None, "x"], [0, 1, 0, 0, None]
    rows = [
        {"image_id": f"{i}", "class_name": "a", "group": group, "status": "ok", "selected": True}
        for i, group in enumerate(groups_of)
    ]
    write_table(paths.manifest, pa.Table.from_pylist(rows, MANIFEST))
    scored = [
        {"image_id": f"{i}", "class_name": "a", "label": 0, "pred": pred, "target_kind": kind}
        for i, pred in enumerate(preds)
        for kind in ("label", "contrast")
    ]
    for number in range(2):
        part = pa.Table.from_pylist(scored[number::2][:5], SCORES)
        write_table(RunPaths.part(paths.scores, number), part)
    assert groups(paths).to_pylist() == [
        {"class_name": "a", "group": "x", "n_images": 2, "accuracy": 0.5},
        {"class_name": "a", "group": "y", "n_images": 1, "accuracy": 1.0},
    ]


def test_predictions_count_an_image_once_whatever_its_targets(tmp_path):
    paths = RunPaths(tmp_path)
    told = [("1", 0, 0, 1), ("2", 0, 1, 1), ("3", 1, 1, 0)]  # image, label, pred, second
    rows = [
        {"image_id": i, "class_name": "ab"[label], "label": label, "pred": pred}
        | {"target_kind": kind, "method": method, "against": second if kind == "contrast" else None}
        for i, label, pred, second in told
        for method in ("gradcam", "other")
        for kind in ("label", "contrast")
    ]
    write_table(RunPaths.part(paths.scores, 0), pa.Table.from_pylist(rows, SCORES))
    found = predictions(paths, ["1", "2"], {0: "a", 1: "b"})
    assert found.correct == {"1": True, "2": False}
    assert found.confusion == {"b": {"a": 1.5}, "a": {"b": 0.5}}
