from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from xai_audit.evidence.harm import groups, harm
from xai_audit.schema import MANIFEST


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


def test_groups_by_the_dataset_s_own_column():
    rows = [
        {"image_id": f"{i}", "class_name": "a", "group": group, "status": "ok", "selected": True}
        for i, group in enumerate(["x", "x", "y", None])
    ]
    table = groups(pa.Table.from_pylist(rows, MANIFEST), {"0": True, "1": False, "2": True})
    assert table.to_pylist() == [
        {"class_name": "a", "group": "x", "n_images": 2, "accuracy": 0.5},
        {"class_name": "a", "group": "y", "n_images": 1, "accuracy": 1.0},
    ]
