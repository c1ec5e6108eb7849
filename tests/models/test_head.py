"""Classifiers that users put on a network are found in the checkpoint, or one line says why not."""

from __future__ import annotations

import logging
import re
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from tests.models.test_plugins import build
from xai_audit.errors import ModelError
from xai_audit.models._head import fit_head

ReLU, Drop = nn.ReLU, nn.Dropout
# Architecture, where the new classifier is, what it is, what of it the log says.
REBUILT = {
    "dropout before": ("resnet18", "fc", nn.Sequential(Drop(), nn.Linear(512, 5)), "after 1"),
    "alone": ("resnet18", "fc", nn.Sequential(nn.Linear(512, 5)), "fc is Linear(512, 5)"),
    "no bias": ("resnet18", "fc", nn.Linear(512, 5, bias=False), "fc is Linear(512, 5)"),
    "third": (
        "resnet18", "fc", nn.Sequential(nn.Flatten(), Drop(), nn.Linear(512, 5)), "after 2 layers",
    ),
    "in a container": (
        "mobilenet_v2", "classifier.1", nn.Sequential(Drop(), nn.Linear(1280, 5)), "after 1",
    ),
    "in place of a container": (
        "mobilenet_v2", "classifier", nn.Linear(1280, 5), "classifier is Linear(1280, 5)",
    ),
    "shorter container": (
        "mobilenet_v3_small", "classifier", nn.Sequential(Drop(), nn.Linear(576, 5)), "(576, 5)",
    ),
    "transformer": (
        "vit_b_32", "heads", nn.Sequential(Drop(), nn.Linear(768, 5)), "heads is Linear(768, 5)",
    ),
}  # fmt: skip


def trained(arch: str, place: str, head: nn.Module, file: Path) -> nn.Module:
    torch.manual_seed(1)
    network = get_model(arch, num_classes=9).eval()
    network.set_submodule(place, head.eval())
    torch.save({f"model.{k}": v for k, v in network.state_dict().items()}, file)
    return network


@pytest.mark.parametrize("case", REBUILT)
def test_one_linear_layer_is_rebuilt(
    case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arch, place, head, text = REBUILT[case]
    network, file = trained(arch, place, head, tmp_path / "c.pth"), tmp_path / "c.pth"
    with caplog.at_level(logging.INFO, logger="xai_audit"):
        spec = build("torchvision", classes=4, arch=arch, checkpoint=str(file))
    assert text in caplog.text
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(spec.module.eval()(image), network(image))


def refused(arch: str, file: Path, **changes: object) -> str:
    with pytest.raises(ModelError) as caught:
        build("torchvision", classes=4, arch=arch, checkpoint=str(file), **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Architecture, where the new classifier is, what it is, how its linear layers are told.
SEVERAL = {
    "two": (
        "resnet18", "fc",
        nn.Sequential(nn.Linear(512, 32), ReLU(), Drop(), nn.Linear(32, 5, bias=False)),
        "0: 512 to 32, 3: 32 to 5",
    ),
    "behind dropout": (
        "vit_b_32", "heads",
        nn.Sequential(Drop(), nn.Linear(768, 32), ReLU(), Drop(), nn.Linear(32, 5)),
        "1: 768 to 32, 4: 32 to 5",
    ),
    "normalised": (
        "resnet18", "fc",
        nn.Sequential(nn.LayerNorm(512), nn.Linear(512, 32), nn.BatchNorm1d(32), ReLU(), Drop(),
                      nn.Linear(32, 5)),
        "1: 512 to 32, 5: 32 to 5",
    ),
    "named": (
        "resnet18", "fc",
        nn.Sequential(OrderedDict(
            fc1=nn.Linear(512, 32), norm=nn.BatchNorm1d(32), relu=ReLU(), fc2=nn.Linear(32, 16),
            again=ReLU(), fc3=nn.Linear(16, 5))),
        "fc1: 512 to 32, fc2: 32 to 16, fc3: 16 to 5",
    ),
    "of the network's kind, of another width": (
        "mobilenet_v3_small", "classifier",
        nn.Sequential(nn.Linear(576, 100), nn.Hardswish(), Drop(), nn.Linear(100, 5)),
        "0: 576 to 100, 3: 100 to 5",
    ),
    "in place of one layer of a container": (
        "mobilenet_v2", "classifier.1",
        nn.Sequential(nn.Linear(1280, 100), ReLU(), nn.Linear(100, 5)),
        "0: 1280 to 100, 2: 100 to 5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SEVERAL)
def test_what_is_between_two_linear_layers_is_not_guessed(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (arch, place, head, got), file = SEVERAL[case], tmp_path / "c.pth"
    network = trained(arch, place, head, file)
    text = refused(arch, file)
    assert "classifier has several linear layers" in text
    assert f"{file}: {place} | got {got} | remedy" in text
    # The line of the remedy works as it is, pasted into a file.
    found = re.search(r"as in (mine\.py): (def build.*) -- and give (model=custom .*)$", text)
    assert found[3] == "model=custom model.factory=mine:build model.checkpoint=FILE"
    (tmp_path / found[1]).write_text(f"{found[2]}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    spec = build("custom", factory="mine:build", checkpoint=str(file))
    image = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.equal(spec.module.eval()(image), network(image))


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (nn.Sequential(nn.BatchNorm1d(512), nn.Linear(512, 5)), "2 missing (fc.weight, fc.bias)"),
        (nn.Sequential(Drop(), nn.Linear(256, 5)), "2 missing (fc.weight, fc.bias)"),
        (nn.Sequential(OrderedDict(out=nn.Linear(512, 5))), "2 missing (fc.weight, fc.bias)"),
        (
            nn.Sequential(OrderedDict({"9" * 9: nn.Linear(512, 5)})),
            "2 missing (fc.weight, fc.bias)",
        ),
    ],
)
def test_other_classifiers_are_told_as_they_are(head: nn.Module, text: str, tmp_path: Path) -> None:
    trained("resnet18", "fc", head, tmp_path / "c.pth")
    assert text in refused("resnet18", tmp_path / "c.pth")


def test_a_container_with_more_than_a_classifier_is_left_alone(tmp_path: Path) -> None:
    # ConvNeXt's also normalises and flattens, which the checkpoint's names do not show.
    trained("convnext_tiny", "classifier", nn.Sequential(nn.Linear(768, 5)), tmp_path / "c.pth")
    text = refused("convnext_tiny", tmp_path / "c.pth")
    assert "2 missing (classifier.2.weight, classifier.2.bias)" in text
    assert "2 of another shape (classifier.0.weight 5x768 in the model 768, " in text


def test_the_number_of_classes_must_be_that_of_the_head(tmp_path: Path) -> None:
    head = nn.Sequential(Drop(), nn.Linear(512, 5))
    trained("resnet18", "fc", head, tmp_path / "c.pth")
    text = refused("resnet18", tmp_path / "c.pth", num_classes=6)
    assert "model.num_classes | expected null or 5 | got 6" in text


def test_a_network_of_timm(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_resnet", num_classes=3)
    network.fc = nn.Sequential(Drop(), nn.Linear(network.num_features, 5))
    torch.save(network.state_dict(), tmp_path / "c.pth")
    spec = build("timm", arch="test_resnet", checkpoint=str(tmp_path / "c.pth"))
    assert torch.equal(spec.module.fc[1].weight, network.fc[1].weight)


def test_a_digit_that_is_no_number_is_no_index(tmp_path: Path) -> None:
    module = nn.Sequential(OrderedDict(fc=nn.Linear(4, 3)))
    for index in ("\N{SUPERSCRIPT TWO}", "x"):
        given = {f"fc.{index}.weight": torch.ones(5, 4), f"fc.{index}.bias": torch.ones(5)}
        fit_head(module, given, tmp_path / "c.pth", code="", classes=None)
        assert module.fc.out_features == 3  # as it was: what does not fit is told by the loading
