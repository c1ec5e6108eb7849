"""What the plugins build, from their own YAML files."""

from __future__ import annotations

import logging
import sys
import urllib.error
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.models import torchvision as plugin
from xai_audit.network.prepare import prepare
from xai_audit.types import ModelSpec, Preprocess

CONF = Path(__file__).parents[2] / "conf" / "model"


def build(name: str, /, classes: int = 7, **changes: object) -> ModelSpec:
    """What ``model=name`` with ``changes`` gives, defaults from the YAML."""
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    module, _, function = node.pop("_target_").rpartition(".")
    make = getattr(import_module(module), function)
    return make(num_classes_of_dataset=classes, **{**node, **changes})


def refused(name: str, /, **changes: object) -> str:
    with pytest.raises(ModelError) as caught:
        build(name, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's folder of downloads, empty and without a network behind it."""

    def offline(url: str, *_: object, **__: object) -> None:
        raise urllib.error.URLError(f"no route to {url}")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    return tmp_path / "checkpoints"


@pytest.mark.parametrize("name", ["torchvision", "timm", "huggingface", "custom"])
def test_yamls_share_their_keys(name: str) -> None:
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert node["_target_"] == f"xai_audit.models.{name}.build"
    for key in ("checkpoint", "weights_key", "num_classes", "target_layer", "name"):
        assert node[key] is None
    assert node["trust_checkpoint"] is False
    assert set(node["preprocess"]) == set(Preprocess.__dataclass_fields__)


def test_a_wrong_key_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="chekpoint"):
        build("torchvision", weights=None, chekpoint="x")


class TestTorchvision:
    def test_unknown_names_are_answered_with_known_ones(self) -> None:
        assert "one of resnet50" in refused("torchvision", arch="resnet5O")
        assert "torchvision has no such classifier" in refused("torchvision", arch="deeplabv3")
        text = refused("torchvision", weights="IMAGENET1K_V3")
        assert "expected IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT or null" in text

    def test_random_weights_are_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            spec = build("torchvision", arch="resnet18", weights=None)
        assert "random weights" in caplog.text
        assert spec.module.fc.out_features == 7
        assert spec.name == "resnet18"
        assert spec.preprocess == Preprocess()

    def test_num_classes_and_name_and_layer(self) -> None:
        spec = build(
            "torchvision",
            arch="resnet18",
            weights=None,
            num_classes=5,
            name="mine",
            target_layer="layer3",
        )
        assert spec.module.fc.out_features == 5
        assert (spec.name, spec.target_layer) == ("mine", "layer3")
        assert "model.num_classes" in refused("torchvision", num_classes=0)

    def test_transform_comes_from_the_weights(self, tmp_path: Path) -> None:
        file = tmp_path / "c.pth"
        torch.save(build("torchvision", arch="resnet50", weights=None).module.state_dict(), file)
        recent = build("torchvision", arch="resnet50", checkpoint=str(file)).preprocess
        assert recent.resize == 232
        oldest = build("torchvision", arch="resnet50", weights=None).preprocess
        assert oldest.resize == 256
        assert build("torchvision", arch="inception_v3", weights=None).preprocess == Preprocess(
            resize=342, crop=(299, 299)
        )
        efficient = build("torchvision", arch="efficientnet_b0", weights=None).preprocess
        assert efficient.interpolation == "bicubic"

    def test_preprocess_matches_torchvisions_own(self) -> None:
        from torchvision.models import list_models

        for arch in list_models(module=sys.modules["torchvision.models"]):
            for entry in plugin.get_model_weights(arch):
                preset, ours = entry.transforms(), plugin._preprocess(entry)
                assert [ours.resize] == preset.resize_size
                assert ours.crop == (*preset.crop_size, *preset.crop_size)
                assert ours.mean == tuple(preset.mean)

    def test_offline_says_which_file_goes_where(self, hub: Path) -> None:
        text = refused("torchvision", arch="resnet18")
        url = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
        assert f"the weights cannot be downloaded: {url}" in text
        assert f"put the file of {url} at {hub / 'resnet18-f37072fd.pth'}" in text

    def test_downloaded_weights_are_used(self, hub: Path) -> None:
        made = plugin.get_model("squeezenet1_1")
        hub.mkdir()
        torch.save(made.state_dict(), hub / "squeezenet1_1-b8a52dc0.pth")
        spec = build("torchvision", arch="squeezenet1_1", num_classes=1000)
        assert torch.equal(spec.module.classifier[1].weight, made.classifier[1].weight)
        (hub / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"PK\x03\x04cut")
        text = refused("torchvision", arch="squeezenet1_1")
        assert "the weights in the download folder cannot be read" in text

    def test_weights_have_their_own_number_of_classes(self, hub: Path) -> None:
        text = refused("torchvision", arch="resnet18", num_classes=17)
        assert "expected null or 1000 | got 17" in text
        text = refused("torchvision", arch="vgg16", weights="IMAGENET1K_FEATURES")
        assert "these weights have no classifier" in text

    def test_a_checkpoint_wins_over_weights(self, hub: Path, tmp_path: Path) -> None:
        file = tmp_path / "c.pth"
        made = plugin.get_model("squeezenet1_1", num_classes=4)
        torch.save(made.state_dict(), file)
        spec = build("torchvision", classes=4, arch="squeezenet1_1", checkpoint=str(file))
        assert torch.equal(spec.module.classifier[1].weight, made.classifier[1].weight)
        text = refused("torchvision", arch="squeezenet1_1", checkpoint=str(file), num_classes=7)
        assert "remedy: model.num_classes=4" in text

    @pytest.mark.parametrize("arch", ["squeezenet1_1", "resnet18", "vit_b_32"])
    def test_the_number_of_classes_is_the_checkpoints(
        self, arch: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = tmp_path / "c.pth"
        made = plugin.get_model(arch, num_classes=11)
        torch.save({"state_dict": {f"net.{k}": v for k, v in made.state_dict().items()}}, file)
        with caplog.at_level(logging.INFO, logger="xai_audit"):
            spec = build("torchvision", classes=4, arch=arch, checkpoint=str(file))
        assert f"{file}: a network of 11 outputs" in caplog.text
        for name, value in made.state_dict().items():
            assert torch.equal(spec.module.state_dict()[name], value), name

    @pytest.mark.parametrize(
        ("arch", "aux"), [("googlenet", True), ("googlenet", False), ("inception_v3", True)]
    )
    def test_auxiliary_heads_may_come_along(self, arch: str, aux: bool, tmp_path: Path) -> None:
        torch.manual_seed(1)
        made = plugin.get_model(arch, num_classes=3, aux_logits=aux, init_weights=False).eval()
        made.transform_input = True
        file = tmp_path / "c.pth"
        torch.save({f"module.{k}": v for k, v in made.state_dict().items()}, file)
        spec = build("torchvision", classes=3, arch=arch, checkpoint=str(file))
        assert spec.module.transform_input is True
        image = torch.randn(1, 3, 96, 96)
        with torch.no_grad():
            logits = spec.module.eval()(image)
            torch.testing.assert_close(logits, made(image))
        assert logits.shape == (1, 3)
        # Without weights to start from there was no input shift either.
        plain = build("torchvision", classes=3, arch=arch, weights=None, checkpoint=str(file))
        assert plain.module.transform_input is False

    @pytest.mark.shared
    def test_real_checkpoint(self) -> None:
        import os

        default = Path(__file__).parents[3] / "shared"
        file = Path(os.environ.get("XAI_AUDIT_SHARED", default)) / "models"
        file /= "flowers17_squeezenet1_0.pth"
        if not file.is_file():
            pytest.skip(f"{file} is absent")
        spec = build("torchvision", classes=17, arch="squeezenet1_0", checkpoint=str(file))
        model = prepare(spec, device="cpu")
        assert (model.target_layer, model.num_outputs, model.grid) == ("features", 17, (13, 13))


class TestTimm:
    def test_builds_with_its_own_transform(self, caplog: pytest.LogCaptureFixture) -> None:
        pytest.importorskip("timm")
        spec = build("timm", arch="test_resnet.r160_in1k", pretrained=False)
        assert "random weights" in caplog.text
        assert spec.preprocess.crop == (160, 160)
        assert spec.preprocess.resize == 168  # floor(160 / .95)
        assert spec.preprocess.interpolation == "bilinear"
        model = prepare(spec, device="cpu")
        assert model.num_outputs == 7
        assert model.target_layer == "layer4"

    def test_squash_mode_resizes_both_sides(self) -> None:
        timm = pytest.importorskip("timm")
        from xai_audit.models._timm_transform import preprocess_of

        made = timm.create_model("test_resnet")
        made.pretrained_cfg = {
            **made.pretrained_cfg,
            "crop_mode": "squash",
            "input_size": (3, 96, 128),
            "crop_pct": 0.5,
            "interpolation": "lanczos",
        }
        assert preprocess_of(made) == Preprocess(
            resize=(192, 256),
            crop=(96, 128),
            mean=tuple(made.pretrained_cfg["mean"]),
            std=tuple(made.pretrained_cfg["std"]),
            interpolation="bicubic",
        )

    def test_checkpoint_needs_no_download(self, tmp_path: Path) -> None:
        timm = pytest.importorskip("timm")
        file = tmp_path / "c.pth"
        made = timm.create_model("test_resnet", num_classes=7)
        torch.save(made.state_dict(), file)
        spec = build("timm", arch="test_resnet", checkpoint=str(file))
        assert torch.equal(spec.module.fc.weight, made.fc.weight)

    def test_weights_that_cannot_be_had(self, monkeypatch: pytest.MonkeyPatch) -> None:
        timm = pytest.importorskip("timm")

        def offline(arch: str, **_: object) -> nn.Module:
            raise OSError(f"offline\n{arch}")

        monkeypatch.setattr(timm, "create_model", offline)
        text = refused("timm", arch="test_resnet")
        assert "timm cannot provide the model: test_resnet | got OSError: offline" in text
        assert "model.checkpoint=FILE needs no download" in text

    def test_weights_have_their_own_number_of_classes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        timm = pytest.importorskip("timm")
        create = timm.create_model
        monkeypatch.setattr(timm, "create_model", lambda arch, **_: create(arch))
        assert "expected null or 1000 | got 3" in refused("timm", arch="test_resnet", num_classes=3)
        assert build("timm", arch="test_resnet", num_classes=1000).module.num_classes == 1000

    def test_unknown_arch_and_missing_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("timm")
        assert "resnet50" in refused("timm", arch="resnet5O")
        monkeypatch.setitem(sys.modules, "timm", None)
        text = refused("timm", arch="resnet50")
        assert 'remedy: pip install "xai-audit[timm]"' in text


class TestCustom:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "their_models.py").write_text(
            "import torch\n"
            "class Nets:\n"
            "    @staticmethod\n"
            "    def linear(num_classes=2, side=4):\n"
            "        return torch.nn.Sequential(torch.nn.Flatten(),\n"
            "                                   torch.nn.Linear(3 * side * side, num_classes))\n"
            "linear = Nets.linear\n"
            "number = 5\n"
            "def text(): return 'no'\n"
            "def broken(): raise KeyError('inside\\nit')\n"
        )
        (tmp_path / "their_broken.py").write_text("import a_package_that_is_absent\n")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
        yield
        sys.modules.pop("their_models", None)

    def test_builds_from_the_current_folder(self) -> None:
        spec = build("custom", factory="their_models:linear", kwargs={"side": 8})
        assert spec.module[1].in_features == 192
        assert spec.module[1].out_features == 2
        assert spec.name == "linear"
        assert spec.preprocess == Preprocess()
        spec = build("custom", factory="their_models:Nets.linear", num_classes=9, name="n")
        assert spec.module[1].out_features == 9
        assert spec.name == "n"

    def test_checkpoint(self, tmp_path: Path) -> None:
        made = build("custom", factory="their_models:linear").module
        torch.save(made.state_dict(), tmp_path / "c.pth")
        spec = build("custom", factory="their_models:linear", checkpoint="c.pth")
        assert torch.equal(spec.module[1].weight, made[1].weight)

    @pytest.mark.parametrize(
        ("factory", "text"),
        [
            ("their_models", "expected package.module:callable | got 'their_models'"),
            ("their_models:", "expected package.module:callable"),
            ("their_module:linear", "there is no such module: model.factory=their_module"),
            ("their_models.sub:linear", "there is no such module"),
            ("their_broken:linear", "the module failed to import"),
            ("their_models:liner", "their_models has no liner"),
            ("their_models:number", "the factory cannot be called"),
            ("their_models:text", "expected a torch.nn.Module | got str"),
            ("their_models:broken", "the factory failed: model.factory=their_models:broken"),
        ],
    )
    def test_errors(self, factory: str, text: str) -> None:
        assert text in refused("custom", factory=factory)

    def test_errors_give_remedies(self) -> None:
        assert "one of linear" in refused("custom", factory="their_models:liner")
        assert "got KeyError: 'inside" in refused("custom", factory="their_models:broken")
        assert "got TypeError" in refused(
            "custom", factory="their_models:linear", kwargs={"sides": 3}
        )
