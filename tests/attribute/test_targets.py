"""What each kind of target explains."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from tests import tiny
from xai_audit.attribute.targets import NamedClass, make_target, resolved
from xai_audit.errors import ConfigError

LOGITS = torch.tensor([[5.0, 1.0, 3.0], [0.0, 2.0, 7.0]])
LABELS = torch.tensor([0, 1])
OUTPUTS = {"rose": 0, "tulip": 2}


def test_each_kind_picks_its_output():
    request = resolved(["label", "pred", "top:2", "class:tulip"], OUTPUTS, 3)
    assert request == ["label", "pred", "top1", "top2", NamedClass("class:tulip", 2)]
    found = [make_target(kind, LOGITS, LABELS) for kind in request]
    assert [t.index.tolist() for t in found] == [[0, 1], [0, 2], [0, 2], [2, 1], [2, 2]]
    assert [t.kind for t in found] == ["label", "pred", "top1", "top2", "class:tulip"]


def test_what_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="no such class: targets | expected one of rose, tulip"):
        resolved(["class:daisy"], OUTPUTS, 3)
    with pytest.raises(ConfigError, match="expected top:3 at most | got top:4"):
        resolved(["top:4"], OUTPUTS, 3)


def test_ties_keep_one_order_and_no_kind_comes_twice():
    even = torch.tensor([[9.0, 9.0, 8.0]])
    ranks = [make_target(f"top{k}", even, LABELS[:1]).index.item() for k in (1, 2, 3)]
    assert ranks == [0, 1, 2]
    with pytest.raises(ConfigError, match="named twice"):
        resolved(["top:2", "top:3"], OUTPUTS, 3)


def test_rows_of_a_run(folder, tmp_path):
    more = "targets=[label,class:square,top:2]"
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out", more))
    assert result.returncode == 0, result.stderr
    scores = pd.read_parquet(tmp_path / "out" / "scores")
    kinds = scores.groupby("target_kind")
    assert {*kinds.groups} == {"label", "class:square", "top1", "top2"}
    assert (kinds.get_group("class:square").target == 1).all()
    first = kinds.get_group("top1")
    assert (first.target == first.pred).all()
    assert (kinds.get_group("top2").target != kinds.get_group("top2").pred).all()


@pytest.mark.parametrize("kind", ["labels", "top:0", "class:", "top:x"])
def test_an_unknown_kind_is_one_line(folder, tmp_path, kind):
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out", f"targets=['{kind}']"))
    assert result.returncode == 2
    assert "class:NAME, top:K" in result.stderr
