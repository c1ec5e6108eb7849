"""Classes without any relevance are said, in the log, in run.json and in the report."""

from __future__ import annotations

import logging
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

import xai_audit
from tests import tiny
from xai_audit.report.facts import read_facts
from xai_audit.schema import SCORES
from xai_audit.score.silent import silent_lines

NAMES = ("method", "target_kind", "class_name", "relevance_total")
SCHEMA = pa.schema([SCORES.field(name) for name in NAMES])


def parts(tmp_path, rows, per_file):
    files = []
    for start in range(0, len(rows), per_file):
        columns = map(list, zip(*rows[start : start + per_file], strict=True))
        table = pa.table(dict(zip(NAMES, columns, strict=True)), schema=SCHEMA)
        files.append(tmp_path / f"part-{start}.parquet")
        pq.write_table(table, files[-1])
    return files


@pytest.mark.parametrize("per_file", [1, 4, 100])
def test_a_class_counts_over_all_parts(tmp_path, per_file):
    rows = [("gradcam", "label", "a", 0.0)] * 4
    rows += [("gradcam", "label", "b", 0.0)] * 3 + [("gradcam", "label", "b", 0.1)]
    rows += [("gradcam", "label", "c", None)] * 3  # its heatmaps are not finite: nothing is seen
    rows += [("gradcam", "contrast", "a", 1.0), ("lime", "label", "few", 0.0)]
    rows += [("lime", "pred", name, 1.0) for name in "ac"]
    (line,) = silent_lines(parts(tmp_path, rows, per_file))
    said = "gradcam gives no relevance at all for the target label in 2 classes "
    assert line.startswith(f"{said}(a, 4 of 4 photos; c, 3 of 3 photos): ")
    assert line.endswith(
        "the model looks there. In this run there is some of lime for the target pred."
    )


def test_many_classes_are_not_all_named(tmp_path):
    rows = [("gradcam", "contrast", f"c{n}", 0.0) for n in range(9) for _ in range(3)]
    (line,) = silent_lines(parts(tmp_path, rows, 100))
    assert "in 9 classes (c0, 3 of 3 photos; " in line
    assert "c4, 3 of 3 photos; ...)" in line
    assert line.endswith(" there. hirescam, integrated_gradients or occlusion may.")


def test_nothing_to_say(tmp_path):
    assert silent_lines(parts(tmp_path, [("a", "label", "b", 0.5)] * 4, 2)) == []
    assert silent_lines([]) == []


class OneLogit(nn.Module):
    """A binary network whose every channel speaks for the positive class."""

    def __init__(self):
        super().__init__()
        self.body = tiny.net(num_classes=1)
        self.body[-1].weight.data.abs_()

    def forward(self, images):
        return self.body(images)


def test_one_side_of_a_one_logit_model(folder, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    for name in ("circle", "square"):
        shutil.copytree(folder / "images" / name, tmp_path / "two" / name)
    torch.manual_seed(0)
    module = OneLogit()
    keys = {"stages": ["index", "attribute", "score"], "method": ["gradcam", "occlusion"]}
    with caplog.at_level(logging.WARNING, "xai_audit"):
        run = xai_audit.audit(module, "two", compute={"num_workers": 0}, **keys)
        xai_audit.audit(module, "two", compute={"num_workers": 0}, **keys)  # makes nothing anew
    said = [r.getMessage() for r in caplog.records if "no relevance" in r.getMessage()]
    noted = run.record["without_relevance"]
    assert said == [f"WARNING: {line}" for line in noted] * 2
    start = "gradcam gives no relevance at all for the target {} in 1 class (circle, 6 of 6 photos)"
    ends = "some of occlusion for the target contrast and occlusion for the target label."
    for line, kind in zip(noted, ("contrast", "label"), strict=True):
        assert line.startswith(start.format(kind))
        assert line.endswith(ends)
    assert {*noted} <= {*read_facts(run).warnings}
    rows = run.scores
    empty = rows[(rows["method"] == "gradcam") & (rows["class_name"] == "circle")]
    assert (empty["relevance_total"] == 0).all()
