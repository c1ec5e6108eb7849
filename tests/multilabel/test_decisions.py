from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
import torch

from xai_audit.attribute.cases import cases_of
from xai_audit.attribute.decisions import decisions_table
from xai_audit.errors import ConfigError
from xai_audit.network.inputs import decided_for
from xai_audit.run.labelling import joined, labels_of
from xai_audit.schema import ABSENT
from xai_audit.types import ImageRecord
from xai_audit.vision.loader import Batch
from xai_audit.work.thresholds import thresholds_of

NAMES = {0: "a", 2: "c", 1: "b"}
THRESHOLDS = (0.5, 0.2, 0.9)


def record(number: int, labels: str) -> ImageRecord:
    return ImageRecord(f"{number}", f"/{number}", joined(labels), None, 4, 4)


def test_a_decision_is_a_probability_at_its_threshold():
    logits = torch.tensor([[0.0, -2.0, 2.19], [-0.001, math.log(1 / 4) + 1e-6, 2.2]])
    yes, p = decided_for(logits, torch.tensor([[2, 0, 1]] * 2), THRESHOLDS)
    assert yes.T.tolist() == [[False, True], [True, False], [False, True]]
    np.testing.assert_allclose(
        p, 1 / (1 + np.exp(-logits[:, [2, 0, 1]].double().numpy())), rtol=1e-6
    )


def test_cases_are_labels_and_wrong_decisions():
    batch = Batch(
        records=[record(0, "ab"), record(1, ""), record(2, "c"), record(3, "b")],
        photos=torch.arange(4)[:, None],
        coverage=None,
        mask_status=list("wxyz"),
        problems={},
    )
    nan = [math.nan] * 3
    logits = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, 5.0], [-9.0, -9.0, -9.0], nan])
    (found,) = cases_of(batch, logits, NAMES, THRESHOLDS, most=9)
    assert [(r.image_id, r.class_name, r.label) for r in found.records] == [
        ("0", "a", 0), ("0", "b", 1), ("1", "c", 2), ("1", "b", 1), ("2", "c", 2), ("3", "b", 1),
    ]  # fmt: skip
    assert [one.absent for one in found.decisions] == [False, False, True, True, False, False]
    assert [one.pred for one in found.decisions] == [0, 1, 2, 1, ABSENT, ABSENT]
    sure = 1 / (1 + np.exp([-1.0, -1.0, -5.0, 1.0, -9.0, math.nan]))
    np.testing.assert_allclose([one.confidence for one in found.decisions], sure, rtol=1e-6)
    assert found.photos.flatten().tolist() == [0, 0, 1, 1, 2, 3]
    assert found.mask_status == list("wwxxyz")
    pieces = list(cases_of(batch, logits, NAMES, THRESHOLDS, most=4))
    assert [len(piece.photos) for piece in pieces] == [4, 2]
    assert [r for piece in pieces for r in piece.records] == found.records
    assert [d for piece in pieces for d in piece.decisions][:5] == found.decisions[:5]


def test_how_right_each_class_is():
    rng = np.random.default_rng(0)
    names = [f"k{k}" for k in range(4)]
    truth, given = rng.random((60, 4)) < [0.5, 0.1, 0.9, 0.0], rng.random((60, 4)) < 0.4
    sets = [joined(n for n, yes in zip(names, row, strict=True) if yes) for row in truth]
    wrong = {name: Counter() for name in names}
    for row, said in zip(truth, given, strict=True):
        for name, is_one, yes in zip(names, row, said, strict=True):
            wrong[name][bool(is_one)] += int(is_one != yes)
    table = decisions_table(sets, wrong, dict.fromkeys(names, 0.5)).to_pylist()
    for row, is_one, yes in zip(table, truth.T, given.T, strict=True):
        tp, tn = (is_one & yes).sum(), (~is_one & ~yes).sum()
        assert (row["found"], row["missed"]) == (tp, (is_one & ~yes).sum())
        assert (row["n_with"], row["n_without"]) == (is_one.sum(), (~is_one).sum())
        assert row["accuracy"] == pytest.approx((is_one == yes).mean())
        assert row["specificity"] == pytest.approx(tn / (~is_one).sum())
        if is_one.any():
            assert row["recall"] == pytest.approx(tp / is_one.sum())
            balanced = (tp / is_one.sum() + tn / (~is_one).sum()) / 2
            assert row["balanced_accuracy"] == pytest.approx(balanced)
        else:
            assert row["recall"] is row["balanced_accuracy"] is None
        assert row["precision"] == pytest.approx(tp / yes.sum())
    assert sum(len(labels_of(text)) for text in sets) == truth.sum()


def test_a_class_without_a_wrong_decision():
    (row,) = decisions_table(["a", "a"], {}, {"a": 0.5}).to_pylist()
    assert (row["found"], row["recall"], row["accuracy"]) == (2, 1.0, 1.0)
    assert row["specificity"] is row["balanced_accuracy"] is None  # no photo lacks it


def test_thresholds_are_a_number_a_mapping_or_a_file(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps({"a": 0.25}))
    (tmp_path / "t.yaml").write_text("b: 0.75\n")
    assert thresholds_of(0.3, "ab") == {"a": 0.3, "b": 0.3}
    assert thresholds_of({"b": 0.1}, "ab") == {"a": 0.5, "b": 0.1}
    assert thresholds_of(str(tmp_path / "t.json"), "ab") == {"a": 0.25, "b": 0.5}
    assert thresholds_of(str(tmp_path / "t.yaml"), "ab") == {"a": 0.5, "b": 0.75}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (1.0, "not a threshold: thresholds .*got 1.0"),
        (True, "not a threshold"),
        ({"a": 0}, "not a threshold: thresholds, a .*got 0"),
        ({"z": 0.5}, "no such class: thresholds .*expected some of a, b .*got z"),
        ("none.json", "cannot be read: thresholds .*JSON or YAML.*none.json"),
    ],
)
def test_what_is_no_threshold_is_one_line(given, message):
    with pytest.raises(ConfigError, match=message) as caught:
        thresholds_of(given, "ab")
    assert "\n" not in str(caught.value)
