"""What every method promises, whatever it computes: a new YAML file is tested here."""

from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf

from tests import tiny
from tests.methods.asking import CONF, METHODS, attribution, loaded, method, name_of, request
from tests.methods.nets import small_vit
from xai_audit.config.build import build
from xai_audit.errors import ConfigError

# The few draws of a test, where the default would take minutes.
FEW = {
    "integrated_gradients": {"steps": 4, "seed": 0},
    "smoothgrad": {"samples": 3, "seed": 0},
    "gradient_shap": {"samples": 3, "seed": 0},
    "lime": {"samples": 30, "pieces": 9, "seed": 0},
    "kernel_shap": {"samples": 30, "pieces": 9, "seed": 0},
    "feature_ablation": {"pieces": 9, "seed": 0},
    "occlusion": {"seed": 0},
    "rise": {"samples": 20, "seed": 0},
    "deeplift": {"seed": 0},
    "captum": {"kwargs": {"n_steps": 4}, "seed": 0},
}
NETS = {"attention_rollout": small_vit, "attention_gradient_rollout": small_vit}
KINDS = ("label", "pred", "contrast")


@pytest.fixture(scope="module")
def images():
    torch.manual_seed(2)
    return torch.randn(7, 3, 64, 64).contiguous(memory_format=torch.channels_last)


def model_for(name):
    return loaded(NETS.get(name, tiny.net)(), 64)


def ask(model, images, span=slice(None), *, max_batch=8):
    count = len(images)
    labels, ids = torch.arange(count) % 3, [f"class/{i}.jpg" for i in range(count)]
    return request(model, images[span], labels[span], KINDS, ids=ids[span], max_batch=max_batch)


@pytest.mark.parametrize("name", METHODS)
def test_shape_and_finite(name, images):
    found = attribution(name, ask(model_for(name), images), **FEW.get(name, {}))
    assert found.maps.shape[:2] == (7, 3)
    assert found.maps.dtype == torch.float32
    assert not found.maps.requires_grad
    assert bool(torch.isfinite(found.maps).all())
    assert bool((found.maps.abs().amax((1, 2, 3)) > 0).all())  # every image has a map
    assert len({each.numpy().tobytes() for each in found.maps}) == 7  # and one of its own
    if found.completeness_error is not None:
        assert found.completeness_error.shape == (7, 3)


AUTOCAST = [(name, {}) for name in METHODS if name != "lrp"] + [
    ("integrated_gradients", {"baseline": "blur"}),
    ("lime", {"fill": "blur"}),
]


@pytest.mark.parametrize(("name", "keys"), AUTOCAST)
def test_runs_in_mixed_precision(name, keys, images):
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        found = attribution(name, ask(model_for(name), images[:3]), **FEW.get(name, {}) | keys)
    assert bool(torch.isfinite(found.maps).all())
    assert found.maps.dtype == torch.float32  # what is outside the forward is not rounded


@pytest.mark.parametrize("name", METHODS)
def test_same_maps_whatever_the_batch_and_the_room(name, images):
    model, keys = model_for(name), FEW.get(name, {})
    whole = attribution(name, ask(model, images, max_batch=32), **keys).maps
    limit = 1e-4 * float(whole.abs().max())
    for size, max_batch in ((1, 1), (3, 2), (7, 5)):
        spans = [slice(start, start + size) for start in range(0, 7, size)]
        parts = [
            attribution(name, ask(model, images, s, max_batch=max_batch), **keys).maps
            for s in spans
        ]
        assert float((torch.cat(parts) - whole).abs().max()) <= limit


@pytest.mark.parametrize("name", METHODS)
def test_the_model_comes_back_as_it_was(name, images):
    model = model_for(name)
    before = {key: value.clone() for key, value in model.module.state_dict().items()}
    forward = [module.forward for module in model.module.modules()]
    state = torch.get_rng_state()
    attribution(name, ask(model, images[:2].clone()), **FEW.get(name, {}))
    for module in model.module.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
        assert not module.training
    assert forward == [module.forward for module in model.module.modules()]
    assert all(p.grad is None and not p.requires_grad for p in model.module.parameters())
    after = model.module.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert torch.equal(state, torch.get_rng_state())  # never the global generator


@pytest.mark.parametrize("name", METHODS)
def test_the_images_are_left_alone(name, images):
    mine = images[:2].clone()
    attribution(name, ask(model_for(name), mine), **FEW.get(name, {}))
    assert torch.equal(mine, images[:2])
    assert not mine.requires_grad


@pytest.mark.parametrize(
    ("name", "key", "value", "expected"),
    [
        ("integrated_gradients", "steps", 0, ">= 1"),
        ("smoothgrad", "samples", 0, ">= 1"),
        ("smoothgrad", "noise", -0.1, ">= 0"),
        ("gradient_shap", "samples", 0, ">= 1"),
        ("lime", "samples", 1, ">= 2"),
        ("lime", "pieces", 0, ">= 1"),
        ("kernel_shap", "samples", 3, ">= 4"),
        ("occlusion", "window", 1.5, "0 to 1"),
        ("occlusion", "stride", 0.5, "0 to 0.2"),
        ("rise", "samples", 0, ">= 1"),
        ("rise", "cells", 0, ">= 1"),
        ("rise", "keep", 2.0, "0.01 to 1"),
    ],
)
def test_a_number_out_of_its_range_is_one_line(name, key, value, expected):
    node = OmegaConf.merge(OmegaConf.load(CONF / f"{name}.yaml"), {"seed": 0, key: value})
    with pytest.raises(ConfigError) as caught:
        build("method", node)
    assert f"method.{key} of {name} | expected {expected} | got {value}" in str(caught.value)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_its_name_and_a_sign_rule(name):
    built = method(name, **FEW.get(name, {}))
    assert built.name == name_of(name)
    assert built.sign in ("positive", "absolute")
