"""Photos as the model takes them: in colour, or their luma."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from tests import tiny
from tests.methods.asking import METHODS, loaded, method, request
from tests.methods.test_every_method import FEW
from xai_audit.network.inputs import Inputs
from xai_audit.network.prepare import prepare
from xai_audit.types import LoadedModel, ModelSpec, Preprocess

GREY = ("model.factory=tests.attribute.test_inputs:grey_net", "model.preprocess.mean=0.4",
        "model.preprocess.std=0.25")  # fmt: skip


def grey_net(channels: int = 1, classes: int = 3) -> nn.Module:
    """:func:`tiny.net` with another number of channels."""
    whole = tiny.net(num_classes=classes)
    torch.manual_seed(1)
    whole[0] = nn.Conv2d(channels, 8, 5, stride=4, padding=2, bias=False)
    return whole


def grey_model() -> LoadedModel:
    preprocess = Preprocess(crop=(64, 64), mean=(0.4,), std=(0.25,))
    return prepare(ModelSpec(grey_net(), preprocess, "grey"), device="cpu")


def test_luma_is_pillows_but_for_its_rounding():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    luma = np.asarray(Image.fromarray(photo).convert("L"), dtype=np.float64)
    seen = Inputs(grey_model(), "fp32").normalised(torch.from_numpy(photo).permute(2, 0, 1)[None])
    assert seen.shape == (1, 1, 64, 64)
    assert seen.dtype == torch.float32
    assert np.abs((seen[0, 0].double().numpy() * 0.25 + 0.4) * 255 - luma).max() < 0.54


@pytest.mark.parametrize("name", [m for m in METHODS if not m.startswith("attention")])
def test_every_method_explains_a_grey_model(name):
    images = torch.randn(2, 1, 64, 64)
    question = request(grey_model(), images, torch.tensor([0, 2]))
    found = method(name, **FEW.get(name, {})).attribute(question).maps
    assert bool(found.isfinite().all())
    assert float(found.abs().max()) > 0


def test_a_run_of_a_grey_model_is_that_of_one_that_makes_the_luma_itself(folder, tmp_path):
    outs = [tmp_path / name for name in ("grey", "own")]
    grey = (*GREY, tiny.WHOLE)
    own = ("model.factory=tests.attribute.test_inputs:own_luma",
           "stages=[index,attribute,score,evidence]")  # fmt: skip
    for out, more in zip(outs, (grey, own), strict=True):
        result = tiny.audit(tiny.overrides(folder, out, *more, "model.target_layer=null"))
        assert result.returncode == 0, result.stderr
    for table, column in (("scores", "mass_border"), ("evidence.parquet", "reliance")):
        one, other = (pd.read_parquet(out / table) for out in outs)
        np.testing.assert_allclose(one[column], other[column], atol=2e-4)
        assert one[column].notna().any()


class OwnLuma(nn.Module):
    """Makes from ImageNet's normalised colours what a grey model is given."""

    def __init__(self) -> None:
        super().__init__()
        self.body = grey_net()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean, std = (torch.tensor(v)[:, None, None] for v in (Preprocess().mean, Preprocess().std))
        weights = torch.tensor([0.2989, 0.587, 0.114])[:, None, None]
        luma = ((images * std + mean) * weights).sum(1, keepdim=True)
        return self.body((luma - 0.4) / 0.25)


def own_luma() -> nn.Module:
    return OwnLuma()


def test_what_photos_cannot_feed_is_one_line(folder, tmp_path):
    more = ("+model.kwargs.channels=4", "model.preprocess.mean=[0.1,0.2,0.3,0.4]",
            "model.preprocess.std=[1,1,1,1]", GREY[0])  # fmt: skip
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out", *more))
    assert result.returncode == 2
    assert "expected 3 values or 1 | got 4 | remedy: model=custom" in result.stderr
    # The user has not said that the model is grey: the line says how.
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out", GREY[0]))
    assert result.returncode == 2
    assert (
        "its number of channels, which is the number of values of model.preprocess.mean"
        in result.stderr
    )


def test_timms_grey_models():
    pytest.importorskip("timm")
    from tests.models.test_plugins import build

    spec = build("timm", arch="resnet18", pretrained=False, kwargs={"in_chans": 1})
    assert spec.preprocess.mean == (pytest.approx((0.485 + 0.456 + 0.406) / 3),)
    assert len(spec.preprocess.std) == 1
    assert spec.module.conv1.in_channels == 1


def test_three_channels_are_left_as_they_are():
    photos = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    seen = Inputs(loaded(tiny.net(), 64), "fp32").normalised(photos)
    mean, std = (torch.tensor(v)[:, None, None] for v in (Preprocess().mean, Preprocess().std))
    torch.testing.assert_close(seen, (photos / 255 - mean) / std)


def test_one_number_for_a_colour_model_is_for_each_channel(folder, tmp_path):
    outs = [tmp_path / name for name in ("one", "three")]
    one = ("model.preprocess.mean=0.4", "model.preprocess.std=0.25")
    three = ("model.preprocess.mean=[0.4,0.4,0.4]", "model.preprocess.std=[0.25,0.25,0.25]")
    for out, more in zip(outs, (one, three), strict=True):
        done = tiny.audit(tiny.overrides(folder, out, *more))
        assert done.returncode == 0, done.stderr
        assert ("the one number is for each of three channels" in done.stderr) == (more is one)
    tables = [pd.read_parquet(out / "scores") for out in outs]
    pd.testing.assert_frame_equal(*tables)
