"""An ONNX file is audited as the network that it was exported from, converted or not."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch import nn

from tests import tiny
from tests.methods.asking import loaded, maps, request
from xai_audit.errors import ModelError
from xai_audit.network.prepare import fingerprint, prepare
from xai_audit.types import ModelSpec


def exported(
    module: nn.Module, file: Path, *, batch: int | None = None, side: int = 64, channels: int = 3
) -> Path:
    """``file`` with ``module`` for images of ``side`` px."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # torch deprecates this exporter; the other needs onnxscript
        torch.onnx.export(
            module.eval(),
            (torch.zeros(batch or 1, channels, side, side),),
            file,
            dynamo=False,
            opset_version=17,
            input_names=["images"],
            dynamic_axes=None if batch else {"images": {0: "batch"}},
        )
    return file


class Last(nn.Module):
    """Takes channels last, as networks of TensorFlow do, and ends in a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.body = tiny.net()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images.permute(0, 3, 1, 2)).softmax(1)


def spec_of(file: Path, **changes: object) -> ModelSpec:
    from xai_audit.models.onnx import build

    node = yaml.safe_load((tiny.REPO / "conf" / "model" / "onnx.yaml").read_text())
    assert node.pop("_target_") == "xai_audit.models.onnx.build"
    return build(num_classes_of_dataset=3, **{**node, "path": str(file), **changes})


def refused(file: Path) -> str:
    with pytest.raises(ModelError) as caught:
        spec_of(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _packages() -> None:
    for name in ("onnx", "onnxruntime", "onnx2torch"):
        pytest.importorskip(name)


IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([1, 0, 1])


def test_a_converted_network_has_the_maps_of_the_original(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="xai_audit"):
        spec = spec_of(exported(tiny.net(), tmp_path / "net.onnx"))
    assert "is converted to PyTorch" in caplog.text
    assert (spec.name, spec.preprocess.crop, spec.preprocess.resize) == ("net", (64, 64), 73)
    model, plain = prepare(spec, device="cpu"), loaded(tiny.net(), 64)
    assert (model.grid, model.num_outputs) == (plain.grid, 3)
    for name in ("gradcam", "saliency"):
        found = [maps(name, request(way, IMAGES, LABELS)) for way in (model, plain)]
        torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["not converted", "two at a time", "channels last", "differs"])
def test_onnxruntime_gives_the_outputs_of_the_original(
    kind: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, net = tmp_path / "net.onnx", tiny.net().eval()
    if kind == "channels last":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, axes = torch.zeros(1, 64, 64, 3), {"images": {0: "batch"}}
            torch.onnx.export(
                Last().eval(), (shape,), file, dynamo=False, input_names=["images"],
                dynamic_axes=axes,
            )  # fmt: skip
    else:
        exported(net, file, batch=2 if kind == "two at a time" else None)

    def convert(_: object) -> nn.Module:
        if kind == "differs":
            return tiny.net(seed=5)
        raise NotImplementedError("Converter is not implemented")

    monkeypatch.setattr("onnx2torch.convert", convert)
    spec = spec_of(file)
    assert "is not converted to PyTorch, so it has no gradients" in caplog.text
    model = prepare(spec, device="cpu")
    assert (model.target_layer, model.num_outputs, model.grid) == ("", 3, (4, 4))
    with torch.no_grad():
        found, wanted = model.module(IMAGES).softmax(1), net(IMAGES).softmax(1)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("converts", [True, False])
def test_a_network_of_one_channel_gets_grey_photos(
    converts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not converts:
        monkeypatch.setattr("onnx2torch.convert", lambda _: tiny.net())  # which fails on one
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    file = exported(net, tmp_path / "grey.onnx", channels=1)
    spec = spec_of(file)
    assert spec.preprocess.mean == pytest.approx((0.449,))
    assert spec.preprocess.std == pytest.approx((0.226,))
    model, images = prepare(spec, device="cpu"), IMAGES[:, :1]
    with torch.no_grad():
        torch.testing.assert_close(model.module(images), net(images), rtol=1e-4, atol=1e-5)
    colours = {"mean": [0.5] * 3, "std": [0.5] * 3}
    with pytest.raises(ModelError, match=r"and as many numbers in model\.preprocess\.mean and"):
        spec_of(file, preprocess=colours)


def test_an_audit_of_a_file(folder: Path, tmp_path: Path) -> None:
    file = exported(tiny.net(), tmp_path / "net.onnx")
    given = [each for each in tiny.overrides(folder, tmp_path / "out")
             if not each.startswith(("model=", "model.factory"))]  # fmt: skip
    more = ["model=onnx", f"model.path={file}"]
    done = tiny.audit([*given, *more])
    assert done.returncode == 0, done.stderr
    done = tiny.audit(tiny.overrides(folder, tmp_path / "plain"))
    assert done.returncode == 0, done.stderr
    rows = [pd.read_parquet(tmp_path / name / "scores") for name in ("out", "plain")]
    for column in ("mass_border", "confidence", "relevance_total"):
        np.testing.assert_allclose(rows[0][column], rows[1][column], rtol=1e-3, atol=1e-4)


def test_what_is_no_classifier_of_images_is_one_line(tmp_path: Path) -> None:
    assert "there is no such file: model.path" in refused(tmp_path / "absent.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    assert "onnxruntime cannot load the network" in refused(tmp_path / "broken.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = nn.Linear(4, 2)
        torch.onnx.export(flat, (torch.zeros(1, 4),), tmp_path / "flat.onnx", dynamo=False)
    assert "expected one float input (B, C, H, W)" in refused(tmp_path / "flat.onnx")


def test_another_file_is_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(_: object) -> nn.Module:
        raise NotImplementedError

    monkeypatch.setattr("onnx2torch.convert", convert)
    files = [exported(tiny.net(seed=seed), tmp_path / f"{seed}.onnx") for seed in (0, 0, 1)]
    one, again, other = (fingerprint(spec_of(file)) for file in files)
    assert one == again
    assert one != other


@pytest.mark.parametrize("kept", ["in the graph", "in a node"])
def test_other_weights_beside_the_same_file_are_another_model(
    kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    def convert(_: object) -> nn.Module:
        raise NotImplementedError

    monkeypatch.setattr("onnx2torch.convert", convert)
    found, texts = [], set()
    for seed, folder in ((0, "a"), (0, "b"), (1, "c")):
        (tmp_path / folder).mkdir()
        file = exported(tiny.net(seed=seed), tmp_path / folder / "net.onnx")
        held = onnx.load(str(file))
        if kept == "in a node":  # as constants of the graph, not its initializers
            for tensor in held.graph.initializer:
                node = onnx.helper.make_node("Constant", [], [tensor.name], value=tensor)
                held.graph.node.insert(0, node)
            del held.graph.initializer[:]
        onnx.save(
            held, str(file), save_as_external_data=True, location="net.onnx.data",
            size_threshold=0, convert_attribute=True,
        )  # fmt: skip
        texts.add(file.read_bytes())
        found.append(fingerprint(spec_of(file)))
    assert len(texts) == 1  # the weights are beside it
    assert found[0] == found[1] != found[2]


def test_missing_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = exported(tiny.net(), tmp_path / "net.onnx")
    for name in ("onnx2torch", "onnxruntime"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
        assert f"{name} is not installed: model=onnx" in refused(file)
        assert 'pip install "xai-audit[onnx]"' in refused(file)
