"""Predictions of photos whose rows by several methods lie in several files: each counts once."""

from __future__ import annotations

import pyarrow as pa
import pytest

from xai_audit.evidence import heatmaps
from xai_audit.run.files import write_table
from xai_audit.run.paths import RunPaths
from xai_audit.schema import SCORES

NAMES = {0: "a", 1: "b"}
# image, label, pred, against
PHOTOS = [("1", 0, 0, 1), ("2", 0, 1, 1), ("3", 1, 1, 0), ("4", 1, 0, 0)]


def rows(method):
    return [
        {
            "image_id": one, "class_name": NAMES[label], "label": label, "pred": pred,
            "method": method, "target_kind": kind, "against": against if kind != "label" else None,
        }
        for one, label, pred, against in PHOTOS
        for kind in ("contrast", "label")
    ]  # fmt: skip


@pytest.mark.parametrize("at_a_time", [1, 65_536])
@pytest.mark.parametrize("apart", [False, True])
def test_confusion_counts_every_photo_once(tmp_path, monkeypatch, apart, at_a_time):
    monkeypatch.setattr(heatmaps, "_ROWS", at_a_time)
    paths, both = RunPaths(tmp_path), (rows("gradcam"), rows("lime"))
    for number, some in enumerate(([], *both) if apart else ([*both[0], *both[1]],)):
        table = pa.Table.from_pylist(some, SCORES)
        write_table(RunPaths.part(paths.scores, number), table)
    found = heatmaps.predictions(paths, ["1", "2"], NAMES)
    assert found.correct == {"1": True, "2": False}
    assert found.confusion == {"b": {"a": 1.5}, "a": {"b": 1.5}}
