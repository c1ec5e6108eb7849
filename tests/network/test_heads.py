"""What a model's outputs mean: one class of several, several of several, or one logit for two."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tests import tiny
from tests.methods.asking import METHODS, loaded, maps, request
from tests.methods.test_every_method import FEW
from xai_audit.errors import ModelError
from xai_audit.network.inputs import log_odds, probabilities
from xai_audit.network.prepare import prepare
from xai_audit.types import ModelSpec, Preprocess

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-300.0, 4.0, 800.0]], dtype=torch.float64)
IMAGES = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([1, 0, 1, 0])


class Shaped(nn.Module):
    """One logit in the shape that a user's forward may give it."""

    def __init__(self, shape: str) -> None:
        super().__init__()
        self.body, self.shape = tiny.net(num_classes=1), shape

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        z = self.body(images)
        return {"column": z, "row": z[:, 0], "squeezed": z.squeeze()}[self.shape]


def one_logit() -> nn.Module:
    return Shaped("squeezed")


def many_labels() -> nn.Module:
    return tiny.net(num_classes=2)


def test_against_plain_arithmetic() -> None:
    for row, values in zip(LOGITS, LOGITS.tolist(), strict=True):
        whole = sum(math.exp(v - max(values)) for v in values)
        softmax = [math.exp(v - max(values)) / whole for v in values]
        np.testing.assert_allclose(probabilities(row[None], "softmax")[0], softmax)
    sigmoid = [1 / (1 + math.exp(-v)) for v in LOGITS[0].tolist()]
    np.testing.assert_allclose(probabilities(LOGITS[:1], "sigmoid")[0], sigmoid)
    for head in ("softmax", "sigmoid"):
        p = probabilities(LOGITS[0], head) if head == "sigmoid" else probabilities(LOGITS, head)[0]
        for k in range(3):
            odds = log_odds(LOGITS[:1], torch.tensor([k]), head)
            assert float(odds) == pytest.approx(math.log(float(p[k]) / (1 - float(p[k]))))
    # Where the probability itself is 0.
    assert log_odds(LOGITS[1:], torch.tensor([0]), "softmax").tolist() == [-1100.0]
    assert log_odds(LOGITS[1:], torch.tensor([0]), "sigmoid").tolist() == [-300.0]


@pytest.mark.parametrize("shape", ["column", "row", "squeezed"])
def test_one_logit_answers_for_two_classes(shape: str, caplog: pytest.LogCaptureFixture) -> None:
    spec = ModelSpec(Shaped(shape), Preprocess(crop=(64, 64)), "net", "body.4")
    with caplog.at_level("INFO", logger="xai_audit"):
        model = prepare(spec, device="cpu")
    assert (model.num_outputs, model.head, model.target_layer) == (2, "softmax", "body.4")
    assert "output 0 is the negative class" in caplog.text
    z = tiny.net(num_classes=1).eval()(IMAGES)[:, 0]
    for size in (1, 4):
        logits = model.module(IMAGES[:size])
        assert logits.shape == (size, 2)
        torch.testing.assert_close(logits.softmax(1)[:, 1], z[:size].sigmoid())
        torch.testing.assert_close(logits[:, 1] - logits[:, 0], z[:size])


@pytest.mark.parametrize("name", ["gradcam", "saliency", "lrp", "deeplift", "occlusion"])
def test_both_classes_of_one_logit_are_explained(name: str) -> None:
    """By a network with outputs (-z/2, z/2) made by its own last layer: the margin is z, too."""
    single, double = tiny.net(num_classes=1), tiny.net(num_classes=2)
    double.load_state_dict(
        {k: v for k, v in single.state_dict().items() if not k.startswith("7.")}, strict=False
    )
    last = single[7]
    double[7].weight.data = torch.cat([-last.weight.data, last.weight.data]) / 2
    double[7].bias.data = torch.cat([-last.bias.data, last.bias.data]) / 2
    kinds = ("label", "pred", "contrast")
    pred = single.eval()(IMAGES)[:, 0] > 0
    few = FEW.get(name, {})
    mine = maps(name, request(loaded(single, 64), IMAGES, LABELS, kinds), **few)
    theirs = maps(name, request(loaded(double, 64), IMAGES, LABELS, ("contrast",)), **few)
    agree = torch.where(pred == LABELS.bool(), 1.0, -1.0)[:, None, None]
    if name == "saliency":  # unsigned
        agree = agree.abs()
    torch.testing.assert_close(mine[:, 0], theirs[:, 0], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(mine[:, 1], theirs[:, 0] * agree, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(mine[:, 2], theirs[:, 0], rtol=1e-3, atol=1e-6)
    assert bool((mine.abs().amax((2, 3)) > 0).all())


@pytest.mark.parametrize("name", [m for m in METHODS if not m.startswith("attention")])
def test_every_method_explains_one_logit(name: str) -> None:
    model = loaded(one_logit(), 64)
    question = request(model, IMAGES[:2], LABELS[:2], ("label", "contrast"))
    found = maps(name, question, **FEW.get(name, {}))
    assert bool(found.isfinite().all())


def test_a_softmax_of_one_output_is_refused() -> None:
    spec = ModelSpec(Shaped("row"), Preprocess(crop=(64, 64)), "net", head="softmax")
    with pytest.raises(ModelError, match="always 1: model.head"):
        prepare(spec, device="cpu")


def two_classes(folder, out, *more: str) -> list[str]:
    """The audit of two of the classes of ``folder``."""
    table = out.parent / "two.csv"
    if not table.exists():
        files = sorted((folder / "images").glob("[cs][iq]*/*.jpg"))
        rows = [(str(f.relative_to(folder / "images")), f.parent.name) for f in files]
        pd.DataFrame(rows, columns=["path", "label"]).to_csv(table, index=False)
    plain = [o for o in tiny.overrides(folder, out) if not o.startswith(("masks", "dataset="))]
    return [*plain, "dataset=csv", f"dataset.file={table}", "masks=none", *more]


def read(out, table: str) -> pd.DataFrame:
    return pd.read_parquet(next(out.glob(f"{table}*")))


def test_a_run_with_one_logit(folder, tmp_path) -> None:
    out = tmp_path / "out"
    line = two_classes(folder, out, "model.factory=tests.network.test_heads:one_logit", tiny.WHOLE)
    result = tiny.audit(line)
    assert result.returncode == 0, result.stderr
    rows = read(out, "attributions")
    assert {*rows.pred} <= {0, 1}
    assert (rows.confidence >= 0.5).all()
    # A class of two is explained against the other.
    assert (rows.against == 1 - rows.target).all()
    assert read(out, "evidence").reliance.notna().any()
    # Of every class something is seen, the negative one too.
    assert read(out, "scores").groupby("class_name").relevance_total.max().gt(0).all()


def test_a_run_with_many_labels(folder, tmp_path) -> None:
    out = tmp_path / "out"
    stages = "stages=[index,attribute,score,trust,evidence]"
    line = two_classes(folder, out, "model.factory=tests.network.test_heads:many_labels", stages)
    assert tiny.audit(line).returncode == 0
    soft, noted = read(out, "attributions"), json.loads((out / "run.json").read_text())
    assert noted["model"]["head"] == "softmax"
    before = read(out, "evidence")
    assert tiny.audit([*line, "model.head=sigmoid", tiny.WHOLE]).returncode == 0
    many, noted = read(out, "attributions"), json.loads((out / "run.json").read_text())
    assert noted["model"]["head"] == "sigmoid"
    assert (many.pred == soft.pred).all()
    top = many[many.target_kind == "label"].query("pred == label")
    np.testing.assert_allclose(top.confidence, 1 / (1 + np.exp(-top.target_score)), rtol=1e-5)
    assert not np.allclose(many.confidence, soft.confidence)
    after = read(out, "evidence")
    assert not before.equals(after)
    # Again is nothing to do, and null is the softmax of before.
    stamp = (out / "evidence.parquet").stat().st_mtime_ns
    assert tiny.audit([*line, "model.head=sigmoid"]).returncode == 0
    assert (out / "evidence.parquet").stat().st_mtime_ns == stamp
    assert tiny.audit([*line, "model.head=softmax"]).returncode == 0
    pd.testing.assert_frame_equal(read(out, "evidence"), before)
