"""Classifiers of transformers, of random weights: layers, maps, pixels and names are right."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

import xai_audit
from tests import tiny
from tests.methods.asking import cosines, maps, request
from xai_audit.errors import ModelError
from xai_audit.models.class_names import outputs_by_name
from xai_audit.models.huggingface import build
from xai_audit.network.inputs import Inputs
from xai_audit.network.prepare import prepare
from xai_audit.types import ModelSpec
from xai_audit.vision.geometry import view
from xai_audit.vision.transform import to_view

transformers = pytest.importorskip("transformers")

CONF = tiny.REPO / "conf" / "model" / "huggingface.yaml"
SIDE = 64
TOKENS = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
    "image_size": SIDE, "patch_size": 16, "num_labels": 3,
}  # fmt: skip
STAGES = {"hidden_sizes": [8, 16, 24], "depths": [1, 1, 1], "num_labels": 3}
SQUASH = {"size": {"height": SIDE, "width": SIDE}}
# Name in transformers, its configuration, its image processor, the layer that is to be found, and
# the tokens before the patches, None for maps.
NETS = {
    "ViT": (TOKENS, ("ViT", SQUASH), "vit.layers.2.layernorm_before", 1),
    "DeiT": (
        TOKENS,
        ("DeiT", {"size": {"height": 80, "width": 80}, "crop_size": SIDE}),
        "deit.layers.2.layernorm_before",
        2,
    ),
    "Dinov2": (
        {k: v for k, v in TOKENS.items() if k != "intermediate_size"},
        ("Bit", {"size": {"shortest_edge": 72}, "crop_size": {"height": SIDE, "width": SIDE}}),
        "dinov2.layernorm",
        1,
    ),
    "Swin": (
        {"image_size": SIDE, "patch_size": 4, "embed_dim": 16, "depths": [1, 1, 1],
         "num_heads": [2, 2, 2], "window_size": 4, "num_labels": 3},
        ("ViT", {**SQUASH, "resample": 3, "image_mean": [0.4, 0.5, 0.6]}),
        "swin.layernorm",
        0,
    ),
    "ConvNext": (
        {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_labels": 3},
        ("ConvNext", {"size": {"shortest_edge": SIDE}, "crop_pct": 0.8}),
        "convnext.encoder.stages.3",
        None,
    ),
    "ResNet": (
        {"embedding_size": 8, "layer_type": "basic", **STAGES},
        ("ConvNext", {"size": {"shortest_edge": 384}}),
        "resnet.encoder.stages.2",
        None,
    ),
}  # fmt: skip


def saved(place: Path, name: str, labels: list[str] | None = None) -> Path:
    """The folder that transformers saves the network and its processor to."""
    config, (kind, given), _, _ = NETS[name]
    made = getattr(transformers, f"{name}Config")(**config)
    if labels is not None:
        made.id2label = dict(enumerate(labels))
        made.label2id = {label: index for index, label in enumerate(labels)}
    torch.manual_seed(0)
    network = getattr(transformers, f"{name}ForImageClassification")(made)
    for parameter in network.parameters():  # freshly drawn, they hardly react to the photo
        if parameter.ndim > 1:
            parameter.data *= 3
    network.save_pretrained(place)
    getattr(transformers, f"{kind}ImageProcessor")(**given).save_pretrained(place)
    return place


def spec_of(path: object, **changes: object) -> ModelSpec:
    node = yaml.safe_load(CONF.read_text())
    assert node.pop("_target_") == "xai_audit.models.huggingface.build"
    return build(num_classes_of_dataset=3, **{**node, "path": str(path), **changes})


def refused(path: object, **changes: object) -> str:
    with pytest.raises(ModelError) as caught:
        spec_of(path, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("saved")
    return {name: saved(place / name, name) for name in NETS}


def theirs(path: Path) -> torch.nn.Module:
    made = transformers.AutoModelForImageClassification
    return made.from_pretrained(path, attn_implementation="eager").eval()


def looped_gradcam(
    network: torch.nn.Module, layer: str, image: torch.Tensor, label: int, prefix: int | None
) -> torch.Tensor:
    """(h, w) of one image, position by position."""
    kept = []
    handle = network.get_submodule(layer).register_forward_hook(
        lambda _, __, output: kept.append(output)
    )
    score = network(image[None].requires_grad_()).logits[0, label]
    handle.remove()
    values, gradient = kept[0].detach()[0], torch.autograd.grad(score, kept[0])[0][0]
    if prefix is None:
        values, gradient = values.flatten(1).T, gradient.flatten(1).T
    values, gradient = values[prefix or 0 :], gradient[prefix or 0 :]
    found = [float((gradient.mean(0) * position).sum()) for position in values]
    return torch.tensor(found).reshape(round(len(found) ** 0.5), -1)


@pytest.mark.parametrize("name", NETS)
def test_the_layer_is_found_and_gradcam_is_that_of_a_loop(
    name: str, folders: dict[str, Path]
) -> None:
    model = prepare(spec_of(folders[name]), device="cpu")
    _, _, layer, prefix = NETS[name]
    assert (model.target_layer, model.num_outputs) == (layer, 3)
    images = torch.randn(2, 3, *model.preprocess.crop, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([2, 0])
    found = maps("gradcam", request(model, images, labels))[:, 0]
    network = theirs(folders[name])
    looped = [
        looped_gradcam(network, layer, image, int(label), prefix)
        for image, label in zip(images, labels, strict=True)
    ]
    assert float(cosines(found, torch.stack(looped)).min()) > 0.9999


@pytest.mark.parametrize("name", ["ViT", "DeiT", "Dinov2"])
def test_rollout_is_that_of_the_attention_that_transformers_returns(
    name: str, folders: dict[str, Path]
) -> None:
    model = prepare(spec_of(folders[name]), device="cpu")
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    found = maps("attention_rollout", request(model, images, torch.tensor([0, 1])))[:, 0]
    with torch.no_grad():
        given = theirs(folders[name])(images, output_attentions=True).attentions
    for image in range(2):
        flow = np.eye(given[0].shape[-1])
        for matrix in given:
            mixed = matrix[image].mean(0).double().numpy() + np.eye(len(flow))
            flow = mixed / mixed.sum(1, keepdims=True) @ flow
        row = torch.from_numpy(flow[0, NETS[name][3] :])
        assert len(row) == 16
        assert float(cosines(found[image : image + 1], row[None])) > 0.9999


@pytest.mark.parametrize("name", NETS)
def test_predictions_are_those_of_transformers_own_pipeline(
    name: str, folders: dict[str, Path], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="xai_audit"):
        model = prepare(spec_of(folders[name]), device="cpu")
    assert caplog.text == ""
    preprocess, compared = model.preprocess, 0
    pipeline = transformers.pipeline("image-classification", str(folders[name]), device="cpu")
    for file in sorted((folder / "images").glob("*/*.jpg")):
        photo = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
        place = view(tuple(photo.shape[1:]), preprocess)
        margins = [side - crop for side, crop in zip(place.resized, place.crop, strict=True)]
        if [place.top, place.left] != [margin // 2 for margin in margins]:
            continue  # an odd margin is rounded down there, and to the even number in torchvision
        seen = Inputs(model, "fp32").normalised(to_view(photo, place, preprocess)[None])
        with torch.no_grad():
            found = model.module(seen)[0].softmax(0)
        scores = {each["label"]: each["score"] for each in pipeline(str(file), top_k=3)}
        expected = [scores[f"LABEL_{index}"] for index in range(3)]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        compared += 1
    assert compared >= 4


PROCESSORS = {
    "Levit": {},
    "PoolFormer": {},
    "EfficientNet": {"rescale_offset": True, "rescale_factor": 1 / 127.5},
    "MobileNetV2": {},
    "MobileViT": {},
    "CLIP": {"do_rescale": False},
    "Siglip": {"do_normalize": False},
}


@pytest.mark.parametrize("kind", PROCESSORS)
def test_other_processors_are_expressed(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    from xai_audit.models._processor import preprocess_of, warn_of_difference

    processor = getattr(transformers, f"{kind}ImageProcessor")(**PROCESSORS[kind])
    with caplog.at_level(logging.DEBUG, logger="xai_audit"):
        preprocess = preprocess_of(processor)
        warn_of_difference(processor, preprocess)
    assert caplog.text == ""


def test_what_a_processor_does_besides_is_told(caplog: pytest.LogCaptureFixture) -> None:
    from xai_audit.models._processor import preprocess_of, warn_of_difference

    processor = transformers.ViTImageProcessor(**SQUASH)
    for changed, text in (
        ({"image_mean": (0.4,) * 3}, "pixels differ by 25.5 grey levels"),
        ({"size": {"height": 32, "width": 32}}, "the image processor's view is 32x32 px, the"),
        ({"resample": 1}, "the image processor's filter 1 is not available"),
    ):
        preprocess = preprocess_of(processor)
        other = transformers.ViTImageProcessor(**{**SQUASH, **changed})
        caplog.clear()
        if "resample" in changed:
            assert preprocess_of(other).interpolation == "bicubic"
        warn_of_difference(other, preprocess)
        assert text in caplog.text


def test_flipped_colours_reach_the_network(tmp_path: Path) -> None:
    place = saved(tmp_path / "net", "ResNet")
    plain = spec_of(place).module.eval()
    transformers.MobileViTImageProcessor().save_pretrained(place)
    image = torch.randn(1, 3, SIDE, SIDE)
    with torch.no_grad():
        flipped = spec_of(place).module.eval()(image).logits
        assert torch.equal(flipped, plain(image.flip(1)).logits)


def test_an_audit_maps_classes_by_name(folder: Path, tmp_path: Path) -> None:
    place = saved(tmp_path / "net", "ViT", ["Stripes", "circle", "no_such_class"])
    config = json.loads((place / "config.json").read_text())
    keys = ["model=huggingface", f"model.path={place}", "methods=[gradcam,attention_rollout]"]
    base = [k for k in tiny.overrides(folder, tmp_path / "out") if not k.startswith("model")]
    done = tiny.audit([*base, *keys])
    assert done.returncode == 0, done.stderr
    assert "none is 'square'" in done.stderr
    config["id2label"]["2"] = "square"
    (place / "config.json").write_text(json.dumps(config))
    done = tiny.audit([*base, *keys])
    assert done.returncode == 0, done.stderr
    assert "each class is the output of the same name" in done.stderr
    assert "Loading weights" not in done.stderr
    rows = pd.read_parquet(tmp_path / "out" / "scores")
    label = rows.groupby("class_name")["label"].unique().map(list).to_dict()
    assert label == {"stripes": [0], "circle": [1], "square": [2]}
    assert set(rows["method"]) == {"gradcam", "attention_rollout"}


def test_a_network_and_its_processor_in_memory(folder: Path, tmp_path: Path, monkeypatch) -> None:
    """The rows that the folder of both gives, its classes mapped by name, too."""
    place = saved(tmp_path / "net", "ViT", ["Stripes", "circle", "square"])
    monkeypatch.chdir(tmp_path)
    keys = {"masks": folder / "masks", "stages": ["index", "attribute", "score"]}
    by_path = xai_audit.audit(place, folder / "images", **keys)
    network = transformers.AutoModelForImageClassification.from_pretrained(place)
    processor = transformers.AutoImageProcessor.from_pretrained(place)
    found = xai_audit.audit(network, folder / "images", transform=processor, **keys)
    assert found.root != by_path.root
    assert found.scores["label"].groupby(found.scores["class_name"]).first().to_dict() == {
        "stripes": 0, "circle": 1, "square": 2,
    }  # fmt: skip
    pd.testing.assert_frame_equal(found.scores, by_path.scores, check_exact=False, atol=1e-6)


def test_names_of_outputs_and_of_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = {"_target_": "xai_audit.models.huggingface.build", "path": str(tmp_path)}

    def mapped(names: object, *classes: str, **more: object) -> dict[str, int] | None:
        (tmp_path / "config.json").write_text(json.dumps({"id2label": names}))
        caplog.clear()
        return outputs_by_name(keys | more, classes)

    five = dict(enumerate(["tabby cat", "Beagle", "red-fox", "owl", "ox"]))
    assert mapped(five, "ox", "red_fox", "tabby_cat") == {"tabby_cat": 0, "red_fox": 2, "ox": 4}
    assert mapped(five, "beagle", "zebra") is None
    assert "none is 'zebra'" in caplog.text
    assert mapped(five, "ox", "owl", num_classes=5) == {"owl": 3, "ox": 4}
    assert mapped(five, "ox", "owl", num_classes=2) is None
    assert mapped(five, "ox", "owl", checkpoint="mine.ckpt") is None
    assert mapped({0: "cat", 1: "Cat"}, "cat") is None
    assert "two are alike" in caplog.text
    cranes = {0: "crane", 1: "owl", 2: "Crane", 3: "ox"}  # as ImageNet's: a bird and a machine
    assert mapped(cranes, "ox", "owl") == {"owl": 1, "ox": 3}
    assert mapped(cranes, "ox", "crane") is None
    assert "two are alike" in caplog.text
    assert mapped(cranes, "crane", "zebra") is None
    assert "none is 'zebra'" in caplog.text
    assert mapped(five, "ox", "OX") is None
    assert "two are alike" in caplog.text
    for nothing in ({0: "LABEL_0", 1: "LABEL_1"}, {0: "a", 2: "b"}, {}, None, ["a", "b"]):
        assert mapped(nothing, "a", "b") is None
        assert caplog.text == ""
    assert outputs_by_name(keys | {"_target_": "xai_audit.models.timm.build"}, ["a"]) is None


def test_a_checkpoint_of_ones_own(folders: dict[str, Path], tmp_path: Path) -> None:
    network = theirs(folders["ResNet"])
    torch.nn.init.ones_(network.classifier[1].bias)
    state = {f"model.{k}": v for k, v in network.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    spec = spec_of(folders["ResNet"], checkpoint=str(tmp_path / "last.ckpt"))
    assert torch.equal(spec.module.classifier[1].bias, torch.ones(3))
    network.classifier[1] = torch.nn.Linear(24, 8)
    torch.save(network.state_dict(), tmp_path / "other.pt")
    other = spec_of(folders["ResNet"], checkpoint=str(tmp_path / "other.pt")).module
    assert (other.classifier[1].out_features, len(other.config.id2label)) == (8, 8)


def test_without_a_processor(folders: dict[str, Path], tmp_path: Path, caplog) -> None:
    place = saved(tmp_path / "net", "ViT")
    (place / "preprocessor_config.json").unlink()
    spec = spec_of(place)
    assert "no image processor: ImageNet's transform at 64 px is used" in caplog.text
    assert (spec.preprocess.crop, spec.preprocess.resize) == ((64, 64), 73)
    assert spec.name == "net"


def test_what_cannot_be_had_is_one_line(tmp_path: Path, monkeypatch, folders) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    text = refused("someone/no-such-classifier")
    assert "where" not in text
    assert (
        "put its config.json, preprocessor_config.json and model.safetensors into a folder" in text
    )
    assert "model.path=someone/no-such-classifier" in text
    (tmp_path / "empty").mkdir()
    assert "model.path=" in refused(tmp_path / "empty")
    assert "expected null or 3 | got 4" in refused(folders["ViT"], num_classes=4)
    # A backbone alone.
    config = transformers.ViTConfig(**TOKENS)
    transformers.ViTModel(config).save_pretrained(tmp_path / "body")
    assert "the weights have no classifier" in refused(tmp_path / "body")
    transformers.BertConfig().save_pretrained(tmp_path / "text")
    assert "transformers cannot provide the image classifier" in refused(tmp_path / "text")
    (tmp_path / "remote").mkdir()
    remote = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}
    (tmp_path / "remote" / "config.json").write_text(json.dumps(remote))
    (tmp_path / "remote" / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    assert "transformers cannot provide the image classifier" in refused(tmp_path / "remote")
    assert not (tmp_path / "ran").exists()
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    assert 'pip install "xai-audit[transformers]"' in refused(folders["ViT"])
