"""What Python's arguments mean on the command line; Hydra itself composes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torchvision import transforms

from xai_audit.arguments.model import of_model
from xai_audit.arguments.photos import masks_at, photos_at
from xai_audit.arguments.read import arguments
from xai_audit.arguments.text import override
from xai_audit.config.compose import compose
from xai_audit.errors import ConfigError


def read(*given, masks=None, method=None, transform=None, **keys):
    return arguments(given, masks=masks, method=method, transform=transform, keys=keys).overrides


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 3, -1, 0.25, 1e-7, "plain", "", "null", "true", "3", "a b", "it's",
        r"back\slash", "tail\\", r"quote\'s", "a,b", "[x]", "{y: 1}", "a=b", "Ü 花 \t.", "#no", "'",
        [1, "two", None, [3.5]], ["it's", "\\"], {"a": 1, "b": "c d"}, Path("some/place"),
    ],
    ids=repr,
)  # fmt: skip
def test_values_come_back_as_they_are(value):
    """Through Hydra's grammar and OmegaConf, into a node that takes anything."""
    text = override("model.kwargs.given", value)
    spec = compose(["model=custom", "model.factory=a:b", text, "dataset=flowers"])
    found = spec.settings.model["kwargs"]["given"]
    assert found == (str(value) if isinstance(value, Path) else value)
    assert type(found) is (str if isinstance(value, Path) else type(value))


# Without a dollar, which begins an interpolation, and control characters, which Hydra refuses.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="$", exclude_categories=["Cc"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@settings(max_examples=60, deadline=None)
@given(VALUES)
@example(r"a\\'\b'\\")
@example(["'", '"', "\\", "a\\'", "..", "*", "1e5", "True", "???"])
def test_any_value_comes_back_through_hydra_s_grammar(value):
    text = override("model.kwargs.given", value)
    read_back = OverridesParser.create().parse_override(text).value()
    assert plain(read_back) == value


def plain(value):
    """Hydra's quoted strings as text."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.text if isinstance(value, QuotedString) else value


def test_numbers_of_numpy():
    assert override("seed", np.int64(3)) == "seed=3"
    assert override("a", np.array([0.5, 1.0])) == "a=[0.5,1.0]"


def test_a_value_that_no_key_takes():
    with pytest.raises(ConfigError, match=r"that no key takes: audit\(seed=...\) \| got object$"):
        override("seed", object())
    with pytest.raises(ConfigError, match=r"audit\(tranform=.* remedy: did you mean transform=\?"):
        read("resnet18", "flowers", tranform=transforms.ToTensor())


def test_keys_are_those_of_the_command_line(tmp_path):
    given = read(
        "resnet18", tmp_path, "limit=9", method=["gradcam", "lime"], seed=5, cues=["border"],
        compute={"device": "cpu", "batch_size": 4}, dataset={"name": "mine"}, masks="none",
    )  # fmt: skip
    plain = [
        "dataset=imagefolder", f"dataset.root={tmp_path}", "dataset.name=mine", "masks=none",
        "model=torchvision", "model.arch=resnet18", "methods=[gradcam,lime]", "seed=5", "limit=9",
        "cues=[border]", "compute.device=cpu", "compute.batch_size=4",
    ]  # fmt: skip
    found, same = compose(given), compose(plain)
    assert replace(found, arguments=same.arguments) == same


def test_overrides_alone_stay_what_they_are():
    given = ["dataset=flowers", "method=gradcam", "~cues", "+note.by=me", "++a.b=1"]
    assert read(*given) == given


def test_the_last_word_has_the_override(tmp_path):
    spec = compose(read(None, "flowers", "seed=7", seed=3))
    assert spec.settings.seed == 7


def test_an_argument_that_is_no_override(tmp_path):
    with pytest.raises(ConfigError, match=r"that is no override: audit \| expected audit"):
        read("resnet18", tmp_path, "photos")


def test_a_folder_with_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("val=1", "daisy").mkdir(parents=True)
    assert read(None, "val=1") == ["dataset=imagefolder", "dataset.root='val=1'"]


def place(root: Path, kind: str) -> Path:
    """A folder or a file of a kind."""
    if kind in ("photos.csv", "photos.tsv"):
        (root / kind).write_text("path,label\n")
        return root / kind
    if kind in ("paths.parquet", "cells.parquet"):
        column = ["a.jpg"] if kind.startswith("paths") else [b"bytes"]
        pq.write_table(
            pa.table({"path" if kind.startswith("paths") else "image": column}), root / kind
        )
        return root / kind
    folder = root / "place"
    folder.mkdir()
    for name in {"tar": ["0.tar"], "cells": ["0.parquet"], "saved": ["dataset_info.json"]}.get(
        kind, []
    ):
        (folder / name).write_bytes(b"")
    if kind == "folder":
        (folder / "daisy").mkdir()
    return folder


@pytest.mark.parametrize(
    ("kind", "dataset", "key"),
    [
        ("folder", "imagefolder", "root"), ("empty", "imagefolder", "root"),
        ("tar", "webdataset", "root"), ("cells", "parquet", "file"),
        ("saved", "huggingface", "path"), ("photos.csv", "csv", "file"),
        ("photos.tsv", "csv", "file"), ("paths.parquet", "csv", "file"),
        ("cells.parquet", "parquet", "file"),
    ],
)  # fmt: skip
def test_photos_by_what_lies_there(tmp_path, kind, dataset, key):
    found = place(tmp_path, kind)
    assert photos_at(str(found)) == [f"dataset={dataset}", f"dataset.{key}='{found}'"]


def test_photos_elsewhere():
    assert photos_at("s3://bucket/photos") == [
        "dataset=imagefolder", "dataset.root='s3://bucket/photos'",
    ]  # fmt: skip
    assert photos_at("flowers") == ["dataset=flowers"]
    with pytest.raises(ConfigError, match=r"no such photos: nowhere \| expected a folder"):
        photos_at("nowhere")


def test_masks_by_what_lies_there(tmp_path):
    (tmp_path / "coco.json").write_text("{}")
    (tmp_path / "boxes.csv").write_text("")
    for name, file in (("png", "a/1.png"), ("xml", "a/1.xml")):
        (tmp_path / name / "a").mkdir(parents=True)
        (tmp_path / name / file).write_text("")
    assert masks_at(str(tmp_path / "png"))[0] == "masks=folder"
    assert masks_at(str(tmp_path / "xml"))[0] == "masks=voc"
    assert masks_at(str(tmp_path / "coco.json"))[0] == "masks=coco"
    assert masks_at(str(tmp_path / "boxes.csv"))[0] == "masks=boxes"
    assert masks_at("s3://b/m") == ["masks=folder", "masks.root='s3://b/m'"]
    assert masks_at("s3://b/m.json") == ["masks=coco", "masks.file='s3://b/m.json'"]
    assert masks_at("dataset") == ["masks=dataset"]
    with pytest.raises(ConfigError, match="there are no such masks: nowhere"):
        masks_at("nowhere")


def test_models_by_name(tmp_path):
    pytest.importorskip("timm")
    assert of_model("resnet18") == ["model=torchvision", "model.arch='resnet18'"]
    assert of_model("deit_tiny_patch16_224") == ["model=timm", "model.arch='deit_tiny_patch16_224'"]
    assert of_model("resnet18.a1_in1k") == ["model=timm", "model.arch='resnet18.a1_in1k'"]
    assert of_model("hf-hub:timm/x") == ["model=timm", "model.arch='hf-hub:timm/x'"]
    assert of_model("google/vit-base") == ["model=huggingface", "model.path='google/vit-base'"]
    (tmp_path / "config.json").write_text("{}")
    assert of_model(tmp_path) == ["model=huggingface", f"model.path='{tmp_path}'"]
    assert of_model("my.module:net") == ["model=custom", "model.factory='my.module:net'"]
    assert of_model("flowers") == ["model=flowers"]
    assert of_model("net.onnx") == ["model=onnx", "model.path='net.onnx'"]
    with pytest.raises(ConfigError, match=r"no such model: audit .*got 'resnet1' .*resnet18"):
        of_model("resnet1")
    with pytest.raises(ConfigError, match="the model is none: audit .*got dict"):
        of_model({})
    (tmp_path / "best.pth").write_text(json.dumps({}))
    with pytest.raises(ConfigError, match="which network they are of: .*best.pth"):
        of_model(tmp_path / "best.pth")


def test_the_transform_of_a_dataset():
    """Its own is the model's unless another is given; one of training is refused with a remedy."""
    pairs = [(np.zeros((8, 9, 3), np.uint8), 0)] * 2

    class Pictures(list):
        transform = transforms.ToTensor()

    given = Pictures(pairs)
    (size,) = [each for each in read(None, given) if each.startswith("model.preprocess.crop")]
    assert size == "model.preprocess.crop=[8,9]"
    given.transform = transforms.RandomCrop(4)
    with pytest.raises(
        ConfigError, match=r"own transform is not .*: pictures.transform .*RandomCr"
    ):
        read(None, given)
    assert not any("mean" in each for each in read(None, given, "model.preprocess.crop=4"))
    assert not any("mean" in each for each in read(None, given, model={"preprocess": {"crop": 4}}))
    found = read(None, given, transform=transforms.CenterCrop(4))
    assert "model.preprocess.crop=[4,4]" in found
