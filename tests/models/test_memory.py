"""A module in memory: the caller's stays as it was, and its transform is read, not guessed."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models
from torchvision import transforms as v1
from torchvision.transforms import v2

from tests import tiny
from xai_audit.errors import ConfigError, ModelError
from xai_audit.models import memory
from xai_audit.models._preprocess import override
from xai_audit.models._transforms import keys_of
from xai_audit.models.class_names import outputs_by_name
from xai_audit.types import Preprocess
from xai_audit.vision.geometry import view
from xai_audit.vision.transform import joint

NONE = dict.fromkeys(("resize", "crop", "mean", "std", "scale", "interpolation", "antialias"))
COMMON = {"target_layer": None, "head": None, "preprocess": NONE, "name": None}


def test_the_same_weights_have_the_same_key():
    first, second = tiny.net(seed=1), tiny.net(seed=1)
    other = tiny.net(seed=2)
    assert memory.hold(first) == memory.hold(second) != memory.hold(other)
    assert memory.hold(torch.nn.DataParallel(first)) == memory.hold(first)
    assert memory.hold(first).startswith("Sequential-")


def test_another_forward_with_the_same_weights_is_another_model():
    class Moved(nn.Module):
        def forward(self, images):
            return images

    first = Moved()

    class Moved(nn.Module):
        def forward(self, images):

            return images

    second = Moved()

    class Moved(nn.Module):
        def forward(self, images):
            return images + 0.5

    assert memory.hold(first) == memory.hold(second) != memory.hold(Moved())


def test_one_of_two_that_are_the_same_is_enough():
    """A notebook's cell that makes its model anew, and an earlier run that is still in use."""
    first, second = tiny.net(seed=4), tiny.net(seed=4)
    keys = {memory.hold(first), memory.hold(second)}
    del second
    gc.collect()
    memory.build(num_classes_of_dataset=3, key=keys.pop(), **COMMON)


def test_what_is_built_is_a_copy():
    module = tiny.net().train()
    module[0].weight.requires_grad_(False)
    key = memory.hold(module)
    spec = memory.build(num_classes_of_dataset=3, key=key, **COMMON)
    assert spec.name == key
    ours = {p.data_ptr() for p in spec.module.parameters()}
    assert not ours & {p.data_ptr() for p in module.parameters()}
    assert module.training


@pytest.mark.parametrize("wrap", [nn.Module.eval, nn.DataParallel, torch.compile])
def test_the_names_of_outputs_are_those_of_the_configuration(wrap):
    module = tiny.net(seed=6)
    module.config = SimpleNamespace(id2label={0: "ox", "1": "owl", 2: 0})
    held = wrap(module)
    keys = {"_target_": "xai_audit.models.memory.build", "key": memory.hold(held)}
    assert memory.output_names(keys["key"]) == {0: "ox", 1: "owl", 2: "0"}
    assert outputs_by_name(keys, ["0", "owl"]) == {"owl": 1, "0": 2}
    for other in ({0: 0}, {"ox": 0}, None, ["ox"]):  # of label2id's kind, or none
        module.config.id2label = other
        assert outputs_by_name(keys, ["a", "b"]) is None


def test_a_module_that_is_no_longer_there():
    key = memory.hold(tiny.net(seed=9))
    gc.collect()
    with pytest.raises(ModelError, match=f"is there no longer: model.key={key} "):
        memory.build(num_classes_of_dataset=3, key=key, **COMMON)


def test_no_transform_is_said(caplog):
    module = tiny.net()
    key = memory.hold(module)
    spec = memory.build(num_classes_of_dataset=3, key=key, **COMMON)
    assert spec.preprocess == Preprocess()
    assert "does not say how its input is made: ImageNet's eval transform is used" in caplog.text
    caplog.clear()
    given = COMMON | {"preprocess": NONE | {"crop": 64}}
    memory.build(num_classes_of_dataset=3, key=key, **given)
    assert not caplog.text


def test_what_timm_notes_is_used(caplog):
    timm = pytest.importorskip("timm")
    module = timm.create_model("test_resnet.r160_in1k")
    spec = memory.build(num_classes_of_dataset=3, key=memory.hold(module), **COMMON)
    assert (spec.preprocess.resize, spec.preprocess.crop) == (168, (160, 160))
    assert not caplog.text


IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
TRANSFORMS = {
    "v1": v1.Compose([v1.Resize(72), v1.CenterCrop(64), v1.ToTensor(), v1.Normalize(**IMAGENET)]),
    "squash": v1.Compose([v1.Resize((48, 64)), v1.ToTensor(), v1.Normalize([0.5], [0.25])]),
    "bicubic": v1.Compose(
        [v1.Resize(80, v1.InterpolationMode.BICUBIC), v1.CenterCrop((64, 48)), v1.ToTensor()]
    ),
    "v2": v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(72, antialias=True),
            v2.CenterCrop(64),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(**IMAGENET),
        ]
    ),
    "nested": nn.Sequential(v2.Resize([72]), v2.Compose([v2.CenterCrop([64]), v1.ToTensor()])),
    "bytes": v2.Compose([v2.PILToTensor(), v2.CenterCrop(64), v2.ToDtype(torch.float32)]),
    "preset": models.ResNet18_Weights.DEFAULT.transforms(),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_gives_the_same_pixels(name):
    """Its own result on a photo against ours, of the keys that it comes to."""
    pixels, _ = tiny.photo(np.random.default_rng(0), "circle", (300, 340))
    theirs = TRANSFORMS[name](Image.fromarray(pixels))
    preprocess = override(Preprocess(), keys_of(TRANSFORMS[name]))
    geometry = view(pixels.shape[:2], preprocess)
    photo, _ = joint(pixels, None, geometry, preprocess)
    mean, std = (torch.tensor(getattr(preprocess, key)).view(-1, 1, 1) for key in ("mean", "std"))
    ours = (photo * preprocess.scale - mean) / std
    assert ours.shape == theirs.shape
    # PIL and torch round resized pixels apart by one.
    step = preprocess.scale / float(std.min())
    assert float((ours - theirs).abs().max()) <= 1.01 * step
    assert float((ours - theirs).abs().mean()) <= 0.2 * step


def test_photos_of_one_size_need_no_crop():
    transform = v1.Compose([v1.ToTensor(), v1.Normalize([0.5], [0.5])])
    assert keys_of(transform, size=(28, 32))["crop"] == [28, 32]
    with pytest.raises(ConfigError, match="got no step that gives all photos one size"):
        keys_of(transform)


@pytest.mark.parametrize(
    ("step", "got"),
    [
        (v1.RandomHorizontalFlip(), "RandomHorizontalFlip"),
        (v1.RandomResizedCrop(64), "RandomResizedCrop"),
        (v1.Lambda(abs), "Lambda"),
        (v1.Resize(64, max_size=90), "Resize with max_size"),
        (abs, "builtin_function_or_method"),
    ],
)
def test_a_step_that_is_none_of_an_evaluation(step, got):
    with pytest.raises(ConfigError, match=f"a step that is not the eval transform.*got {got} "):
        keys_of(v1.Compose([step, v1.CenterCrop(64), v1.ToTensor()]))


def test_steps_in_another_order():
    with pytest.raises(ConfigError, match="got Resize after a later step, or twice"):
        keys_of(v1.Compose([v1.CenterCrop(64), v1.Resize(32), v1.ToTensor()]))
