"""Captum behind our contract: against Captum by hand, against our own, and what is refused."""

from __future__ import annotations

import random
import re
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from captum import attr
from torch import nn

from tests import tiny
from tests.methods.asking import attribution, cosines, loaded, maps, method, request
from tests.methods.nets import cramped_net, small_vit
from xai_audit.attribute.targets import NamedClass
from xai_audit.errors import ConfigError, ModelError, StoppedError
from xai_audit.methods._captum_classes import _classes, _obstacle
from xai_audit.methods._coalitions import segments
from xai_audit.network.copies import baseline
from xai_audit.network.prepare import prepare
from xai_audit.run.sample import seed_of
from xai_audit.types import ModelSpec, Preprocess

USABLE = sorted(name for name, kind in _classes().items() if _obstacle(kind) is None)
LAYERS = [name for name in USABLE if issubclass(getattr(attr, name), attr.LayerAttribution)]
# Few draws, where the default would take minutes.
FEW = {
    "IntegratedGradients": {"n_steps": 3},
    "LayerIntegratedGradients": {"n_steps": 3},
    "InternalInfluence": {"n_steps": 3},
    "LayerConductance": {"n_steps": 3},
    "GradientShap": {"n_samples": 3, "stdevs": 0.1},
    "LayerGradientShap": {"n_samples": 2, "stdevs": 0.1},
    "ShapleyValueSampling": {"n_samples": 2},
    "Lime": {"n_samples": 12},
    "KernelShap": {"n_samples": 12},
}
# LRP has rules for single layers only: the second convolution, not the ReLU behind it.
AT = {"LayerLRP": "3"}
IDS = [f"class/{i}.jpg" for i in range(7)]


@pytest.fixture(scope="module")
def images():
    rough = torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    smooth = nn.functional.interpolate(rough, (32, 32), mode="bicubic")
    return smooth.contiguous(memory_format=torch.channels_last)


def keys_of(name: str, **more: object) -> dict[str, object]:
    keys = {"attribution": name, "kwargs": FEW.get(name), "layer": AT.get(name), "seed": 0}
    return {**keys, "superpixels": "grid", "pieces": 4, **more}


def ask(model, images, kinds=("label", "contrast"), *, span=slice(None), max_batch=8):
    labels, ids = torch.arange(len(images)) % 3, IDS[: len(images)]
    return request(model, images[span], labels[span], kinds, ids=ids[span], max_batch=max_batch)


def model_of(net: nn.Module | None = None, side: int = 32):
    return loaded(tiny.net() if net is None else net, side)


# ---------------------------------------------------------------- against Captum called by hand


def by_hand(name: str, images, **keys: object) -> torch.Tensor:
    """(B, H, W): Captum's class on the network as a user has it, whose labels are 0, 1, 2, ..."""
    net, labels = tiny.net().eval(), torch.arange(len(images)) % 3
    layer = (net[4],) if name in LAYERS else ()
    made = getattr(attr, name)(net, *layer)
    rows = [
        made.attribute(images[i : i + 1].contiguous(), target=int(labels[i]), **each(keys, i))
        for i in range(len(images))
    ]
    return torch.cat(rows).detach().float().sum(1)


def seeded(name: str, image: int) -> None:
    """The global generators as they are for an image."""
    seed = seed_of(0, IDS[image], "captum", name, 0)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - Captum draws from it


@contextmanager
def states_kept():
    """A block after which PyTorch's and NumPy's generators are as before."""
    before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    yield
    np.random.set_state(before[0])  # noqa: NPY002
    torch.set_rng_state(before[1])


def numpy_state() -> str:
    return str(np.random.get_state())  # noqa: NPY002


def each(keys: dict[str, object], image: int) -> dict[str, object]:
    """The keys of one image; a function is called with its number."""
    return {key: value(image) if callable(value) else value for key, value in keys.items()}


@pytest.mark.filterwarnings("ignore::UserWarning:captum")
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("Saliency", {"abs": False}),
        ("Deconvolution", {}),
        ("LayerGradCam", {"relu_attributions": True}),
        ("LayerGradientXActivation", {}),
        ("LRP", {}),
    ],
)
def test_an_attribution_without_baseline_is_captums(images, name, keys):
    expected = by_hand(name, images, **keys) if name != "LRP" else by_hand_lrp(images)
    got = maps("captum", ask(model_of(), images), **keys_of(name, kwargs=keys or None))[:, 0]
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-6 * float(expected.abs().max()))


def by_hand_lrp(images) -> torch.Tensor:
    """Captum has no rule for Flatten, so that by hand it is written into the forward."""

    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tiny.net().eval()[:6]
            self.head = tiny.net().eval()[7]

        def forward(self, images):
            return self.head(self.body(images).flatten(1))

    model = prepare(ModelSpec(Written(), Preprocess(crop=(32, 32)), "net"), device="cpu").module
    model.body[1] = nn.Dropout().eval()  # an Identity for which Captum has a rule
    labels = torch.arange(len(images)) % 3
    return attr.LRP(model).attribute(images.clone(), target=labels).detach().sum(1)


@pytest.mark.filterwarnings("ignore::UserWarning:captum")
@pytest.mark.parametrize("name", ["DeepLiftShap", "LayerDeepLiftShap"])
@pytest.mark.parametrize("max_batch", [2, 6, 32])
def test_deep_lift_shap_is_captums_however_its_baselines_are_cut(images, name, max_batch):
    put = ask(model_of(), images, max_batch=max_batch)
    kinds = ["black", "mean", "blur", "random", "random"]
    starts = torch.stack(
        [baseline(kind, put, seed) for kind, seed in zip(kinds, (0, 0, 0, 0, 1), strict=True)], 1
    )
    expected = by_hand(name, images, baselines=lambda i: starts[i].contiguous())
    found = attribution("captum", put, **keys_of(name, baselines=kinds))
    assert float((found.maps[:, 0] - expected).abs().max()) < 1e-5 * float(expected.abs().max())
    assert float(found.completeness_error.abs().max()) < 1e-5


@pytest.mark.filterwarnings("ignore::UserWarning:captum")
def test_gradient_shap_is_captums_on_the_same_draws(images):
    put = ask(model_of(), images, max_batch=2)
    starts = torch.stack([baseline(kind, put, 0) for kind in ("black", "mean")], 1)

    def drawn(image: int) -> torch.Tensor:
        seeded("GradientShap", image)
        return starts[image].contiguous()

    keys = {"n_samples": 6, "stdevs": 0.2}
    with states_kept():
        expected = by_hand("GradientShap", images, baselines=drawn, **keys)
    got = maps("captum", put, **keys_of("GradientShap", kwargs=keys, baselines=["black", "mean"]))
    assert float(cosines(got[:, 0], expected).min()) > 0.99999
    torch.testing.assert_close(got[:, 0], expected, rtol=1e-3, atol=1e-7)


@pytest.mark.filterwarnings("ignore::UserWarning:captum")
@pytest.mark.parametrize("name", ["InternalInfluence", "LayerConductance", "LayerDeepLift"])
def test_layers_against_a_baseline_are_captums(images, name):
    put = ask(model_of(), images, max_batch=3)
    start = baseline("blur", put, 0)
    steps = {} if name == "LayerDeepLift" else {"n_steps": 7}
    expected = by_hand(name, images, baselines=lambda i: start[i : i + 1].contiguous(), **steps)
    got = maps("captum", put, **keys_of(name, kwargs=steps or None, baseline="blur"))[:, 0]
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["ShapleyValueSampling", "KernelShap", "ShapleyValues"])
def test_superpixels_are_captums_on_the_same_draws(images, name):
    """A piece's value is Captum's, shared by its pixels."""
    put = ask(model_of(), images[:2])
    labels = segments(put, "grid", 6)

    def mask(image: int) -> torch.Tensor:
        seeded(name, image)
        return labels[image][None, None]

    draws = {} if name == "ShapleyValues" else {"n_samples": 30}
    zero = {"baselines": 0.0, "feature_mask": mask}
    with states_kept():
        expected = by_hand(name, images[:2], **zero, **draws) / 3
    keys = {"superpixels": "grid", "pieces": 6, "baseline": "mean", "kwargs": draws or None}
    got = maps("captum", put, **keys_of(name, **keys))[:, 0]
    size = torch.stack([torch.bincount(each.flatten())[each] for each in labels])
    torch.testing.assert_close(got * size, expected, rtol=1e-3, atol=1e-6)


def test_a_photo_of_one_superpixel_is_cut_in_squares(images):
    put = ask(model_of(), images)
    alone = [int(each.max()) == 0 for each in segments(put, "slic", 5)]
    assert any(alone)
    put = ask(model_of(), images[alone.index(True)][None])
    keys = {"superpixels": "slic", "pieces": 5, "baseline": "black"}
    assert float(maps("captum", put, **keys_of("KernelShap", **keys)).abs().max()) > 0


# ------------------------------------------------------------------------------ against our own


@pytest.mark.parametrize(
    ("name", "ours", "mine", "theirs"),
    [
        ("Saliency", "saliency", {}, {}),
        ("InputXGradient", "input_x_gradient", {}, {}),
        ("IntegratedGradients", "integrated_gradients", {"steps": 6}, {"kwargs": {"n_steps": 6}}),
        ("DeepLift", "deeplift", {"baseline": "blur"}, {"baseline": "blur"}),
        ("GuidedBackprop", "guided_backprop", {}, {}),
        (
            "GuidedGradCam",
            "guided_gradcam",
            {},
            {"kwargs": {"interpolate_mode": "bilinear"}},
        ),
        ("LayerGradCam", "gradcam", {}, {}),
        ("Occlusion", "occlusion", {"baseline": "mean"}, {"baseline": "mean"}),
        (
            "FeatureAblation",
            "feature_ablation",
            {"fill": "blur", "superpixels": "grid", "pieces": 9},
            {"baseline": "blur", "superpixels": "grid", "pieces": 9},
        ),
    ],
)
def test_our_own_method_agrees(images, name, ours, mine, theirs):
    put = ask(model_of(), images)
    seeded = {"seed": 0} if mine or ours == "deeplift" else {}
    expected = maps(ours, put, **mine, **seeded)
    got = maps("captum", put, **keys_of(name, **theirs))
    for target in range(2):
        assert float(cosines(got[:, target], expected[:, target]).min()) >= 0.9999
    if ours not in ("occlusion", "gradcam"):  # three channels tell each square; a mean, not a sum
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-6)


class Again(nn.Module):
    """One ReLU module for two places, as torchvision's ResNets have it."""

    def __init__(self, *, shared: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.one, self.two = nn.Conv2d(3, 8, 5, stride=2), nn.Conv2d(8, 16, 3)
        self.relu = nn.ReLU(inplace=True)
        self.other = self.relu if shared else nn.ReLU(inplace=True)
        self.head = nn.Linear(16, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.other(self.two(self.relu(self.one(images)))).mean((2, 3)))


class Twice(Again):
    """The same under one name."""

    def __init__(self) -> None:
        super().__init__(shared=True)
        del self.other

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.two(self.relu(self.one(images)))).mean((2, 3)))


@pytest.mark.parametrize("name", ["DeepLift", "DeepLiftShap", "LayerDeepLift"])
def test_a_module_used_again_is_explained_as_if_each_use_had_its_own(images, name):
    """Captum by itself refuses such a model."""
    keys = keys_of(name) | ({"layer": "one"} if name in LAYERS else {})
    expected = attribution("captum", ask(model_of(Again(shared=False)), images), **keys)
    for net in (Again(shared=True), Twice()):
        model = model_of(net)
        before = dict(model.module.named_modules())
        found = attribution("captum", ask(model, images), **keys)
        torch.testing.assert_close(found.maps, expected.maps)
        assert float(found.completeness_error.abs().max()) < 1e-6
        assert dict(model.module.named_modules()) == before


# ------------------------------------------------------------------------------ what is promised


def test_what_can_be_used_is_found_in_captum():
    """A new release's classes come by themselves; these must not get lost."""
    assert set(USABLE) >= {
        "Deconvolution", "DeepLift", "DeepLiftShap", "FeatureAblation", "GradientShap",
        "GuidedBackprop", "GuidedGradCam", "InputXGradient", "IntegratedGradients",
        "InternalInfluence", "KernelShap", "LRP", "LayerActivation", "LayerConductance",
        "LayerDeepLift", "LayerDeepLiftShap", "LayerFeatureAblation", "LayerGradCam",
        "LayerGradientShap", "LayerGradientXActivation", "LayerIntegratedGradients", "LayerLRP",
        "Lime", "Occlusion", "Saliency", "ShapleyValueSampling", "ShapleyValues",
    }  # fmt: skip


@pytest.mark.parametrize("name", USABLE)
def test_same_maps_whatever_the_batch_and_the_room(images, name):
    model, keys = model_of(), keys_of(name)
    whole = attribution("captum", ask(model, images, max_batch=32), **keys)
    assert whole.maps.shape[:2] == (7, 2)
    assert whole.maps.shape[2:] == ((4, 4) if name in LAYERS else (32, 32))
    assert whole.maps.dtype == torch.float32
    assert not whole.maps.requires_grad
    assert bool(whole.maps.isfinite().all())
    limit = 1e-4 * float(whole.maps.abs().max())
    for size, max_batch in ((1, 1), (3, 2), (7, 5)):
        parts = [
            attribution("captum", ask(model, images, span=span, max_batch=max_batch), **keys)
            for span in (slice(start, start + size) for start in range(0, 7, size))
        ]
        assert float((torch.cat([part.maps for part in parts]) - whole.maps).abs().max()) <= limit
        assert (whole.completeness_error is None) == (parts[0].completeness_error is None)
        if whole.completeness_error is not None:
            errors = torch.cat([part.completeness_error for part in parts])
            torch.testing.assert_close(errors, whole.completeness_error, rtol=1e-3, atol=1e-5)


class Counting(nn.Module):
    """A network that notes how many images each of its forwards held."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.sizes = tiny.net(), []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        return self.body(images)


@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize("max_batch", [1, 3])
def test_no_forward_holds_more_than_it_may_and_each_is_told(images, name, max_batch):
    model = model_of(Counting())
    keys = keys_of(name) | ({"layer": "body.3"} if name == "LayerLRP" else {})
    put, told = ask(model, images[:4], max_batch=max_batch), []
    put.progress = told.append
    _ = put.targets
    model.module.sizes.clear()
    method("captum", **keys).attribute(put)
    # DeepLIFT needs an image and its baseline together, conductance two steps.
    pairs = name.endswith(("DeepLift", "DeepLiftShap", "Conductance"))
    assert max(model.module.sizes) <= max(max_batch, 2 if pairs else 1)
    assert max(told) == max(model.module.sizes)
    traced = len(model.module.sizes) - len(told)
    assert traced <= 1  # the shape of the layer, from one image


@pytest.mark.parametrize("name", USABLE)
def test_the_model_and_all_that_is_global_come_back(images, name):
    model, mine = model_of(), images[:2].clone()
    attributes = [sorted(vars(layer)) for layer in model.module.modules()]
    weights = {key: value.clone() for key, value in model.module.state_dict().items()}
    states = torch.get_rng_state(), numpy_state(), random.getstate()
    attribution("captum", ask(model, mine), **keys_of(name))
    assert attributes == [sorted(vars(layer)) for layer in model.module.modules()]
    for layer in model.module.modules():
        assert not layer._forward_hooks
        assert not layer._forward_pre_hooks
        assert not layer._backward_hooks
        assert not layer.training
    assert all(p.grad is None and not p.requires_grad for p in model.module.parameters())
    after = model.module.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in weights.items())
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (numpy_state(), random.getstate())
    assert torch.equal(mine, images[:2])
    assert not mine.requires_grad


LINEAR = [
    "InputXGradient", "IntegratedGradients", "DeepLift", "DeepLiftShap", "GradientShap", "LRP",
    "FeatureAblation", "Occlusion", "ShapleyValueSampling", "LayerGradCam", "LayerConductance",
    "LayerIntegratedGradients", "LayerDeepLiftShap", "LayerGradientShap", "LayerFeatureAblation",
    "LayerLRP", "InternalInfluence",
]  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_a_margin_is_the_difference_of_two_classes(images, name):
    kinds = [*(NamedClass(f"class:{k}", k) for k in range(3)), "contrast"]
    put = ask(model_of(), images, kinds)
    found = maps("captum", put, **keys_of(name))
    margin, rows = put.targets[3], torch.arange(7)
    expected = found[rows, margin.index] - found[rows, margin.against]
    scale = float(found.abs().max())
    assert float((found[:, 3] - expected).abs().max()) < 1e-4 * scale
    assert float(found[:, 3].abs().max()) > 1e-2 * scale


@pytest.mark.parametrize("name", ["DeepLiftShap", "LayerGradCam", "GradientShap", "KernelShap"])
def test_runs_in_mixed_precision(images, name):
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        found = maps("captum", ask(model_of(), images[:2]), **keys_of(name))
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())


def test_noise_around_an_attribution_is_captums(images):
    noise = {"nt_samples": 4, "nt_type": "smoothgrad", "stdevs": 0.3}
    model, rows = model_of(), []
    with states_kept():
        for i in range(2):
            seeded("Saliency", i)
            tunnel = attr.NoiseTunnel(attr.Saliency(model.module))
            leaf = images[i : i + 1].clone().requires_grad_()
            rows.append(tunnel.attribute(leaf, target=i, abs=False, **noise).sum(1))
    keys = keys_of("Saliency", kwargs={"abs": False}, noise_tunnel=noise)
    put = ask(model, images[:2], max_batch=3)
    found = attribution("captum", put, **keys)
    torch.testing.assert_close(found.maps[:, 0], torch.cat(rows), rtol=1e-3, atol=1e-7)
    assert found.completeness_error is None
    parts = [
        maps("captum", ask(model, images, span=slice(i, i + 1), max_batch=1), **keys)
        for i in range(2)
    ]
    torch.testing.assert_close(torch.cat(parts), found.maps, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", ["LayerIntegratedGradients", "LayerFeatureAblation"])
def test_tokens_lie_on_their_grid(name):
    model = model_of(small_vit(), side=64)
    put = request(model, torch.randn(2, 3, 64, 64), torch.tensor([0, 2]))
    assert maps("captum", put, **keys_of(name)).shape == (2, 1, 4, 4)


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"attribution": "DeepLiftShapley"},
            "Captum has no such attribution: method.attribution=DeepLiftShapley | expected one of "
            f"{', '.join(USABLE)} | remedy: the nearest: DeepLiftShap, LayerDeepLiftShap, DeepLift",
        ),
        (
            {"attribution": "NeuronGradient"},
            "an attribution of Captum's that cannot explain the class of a photo: "
            "method.attribution=NeuronGradient | got it explains a unit of a layer, not the score "
            "of a class | remedy: the nearest: GradientShap, InputXGradient, LayerGradientShap",
        ),
        (
            {"kwargs": {"n_step": 3}},
            "Captum's IntegratedGradients takes no such key: method.kwargs.n_step | expected "
            "multiply_by_inputs, n_steps, method | remedy: the nearest: n_steps",
        ),
        (
            {"attribution": "DeepLift", "kwargs": {"baselines": 0}},
            "a key of Captum's that the audit sets itself: method.kwargs.baselines | expected "
            "multiply_by_inputs, eps, custom_attribution_func | remedy: set method.baseline or "
            "method.baselines",
        ),
        (
            {"baseline": "grey"},
            "unknown value: method.baseline of captum-IntegratedGradients | expected one of black, "
            "mean, blur, random, photo | got grey",
        ),
        (
            {"attribution": "ShapleyValues"},
            "ShapleyValues tries every order of the superpixels and would not finish: "
            "method.pieces | expected 6 at most | got 50 | remedy: method.pieces=4 "
            "method.superpixels=grid, or method.attribution=ShapleyValueSampling",
        ),
        (
            {"attribution": "Saliency", "noise_tunnel": {"nt_sample": 3}},
            "Captum's NoiseTunnel takes no such key: method.noise_tunnel.nt_sample | expected "
            "nt_type, nt_samples, stdevs | remedy: the nearest: nt_samples, nt_type",
        ),
        (
            {"attribution": "GradientShap", "noise_tunnel": {"nt_samples": 3}},
            "no noise can be put around this attribution of Captum's: method.noise_tunnel of "
            "GradientShap | expected null, or an attribution that draws nothing and takes one "
            "baseline at most",
        ),
    ],
)
def test_a_key_that_cannot_work_is_one_line(folder, tmp_path, keys, line):
    """Through the command, which builds the method before it loads the model."""
    given = [f"method.{key}={flow(value)}" for key, value in keys.items()]
    more = ("method=captum", *given, "stages=[index,attribute]", "limit=3")
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out", *more))
    assert result.returncode == ConfigError.exit_code
    assert result.stderr.splitlines()[-1] == f"xai_audit: {line}"


def flow(value: object) -> str:
    """``value`` in Hydra's grammar."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {each}" for key, each in value.items()) + "}"
    return str(value)


@pytest.mark.parametrize("name", sorted(set(_classes()) - set(USABLE)))
def test_each_class_that_is_refused_says_why(name):
    with pytest.raises(ConfigError, match=rf"method\.attribution={name} \| got .+ \| remedy: "):
        method("captum", **keys_of(name))


class Functional(nn.Module):
    """A network whose ReLU is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.see, self.say = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.say(torch.relu(self.see(images)).mean((2, 3)))


@pytest.mark.parametrize(
    ("net", "keys", "line"),
    [
        (
            tiny.net,
            {"attribution": "LayerGradCam", "layer": "layer9"},
            "the model has no such layer: model.target_layer | got 'layer9' | remedy: one of "
            "0, 1, 2, 3, 4, ...",
        ),
        (
            tiny.net,
            {"attribution": "LayerGradCam", "layer": "7"},
            "the target layer's output has no positions: model.target_layer=7 | expected a float "
            "tensor (B, C, h, w), (B, h, w, C) or (B, tokens, C) | got (1, 3)",
        ),
        (
            small_vit,
            {"attribution": "LayerGradCam"},
            "Captum's LayerGradCam needs a layer whose output is (B, C, h, w): "
            "encoder.layers.encoder_layer_2.ln_1 | got (1, 17, 32) | remedy: method=gradcam, or "
            "another method.layer",
        ),
        (
            Functional,
            {"attribution": "Deconvolution"},
            "the model has no nn.ReLU, whose backward Captum's Deconvolution changes: "
            "method.attribution=Deconvolution | remedy: method=guided_backprop, which follows "
            "functions, too, or another attribution",
        ),
        (
            small_vit,
            {"attribution": "LRP"},
            "Captum cannot explain this model by this attribution: method.attribution=LRP | got "
            "TypeError: Module of type <class 'torch.nn.modules.normalization.LayerNorm'> has no",
        ),
        (
            tiny.net,
            {"kwargs": {"n_steps": 0}},
            "Captum cannot explain this model by this attribution: "
            "method.attribution=IntegratedGradients | got AssertionError: The number of steps has "
            "to be larger than zero | remedy: other method.kwargs, another method.attribution, or "
            "another method",
        ),
    ],
)
def test_a_model_that_an_attribution_does_not_fit_is_one_line(net, keys, line):
    model = model_of(net(), side=64)
    attributes = [sorted(vars(layer)) for layer in model.module.modules()]
    put = request(model, torch.randn(1, 3, 64, 64), torch.tensor([0]))
    with pytest.raises(ModelError, match="^" + re.escape(line)) as caught:
        attribution("captum", put, **{"seed": 0, **keys})
    assert "\n" not in str(caught.value)
    assert attributes == [sorted(vars(layer)) for layer in model.module.modules()]
    assert not any(layer._forward_hooks for layer in model.module.modules())


@pytest.mark.parametrize("name", ["DeepLift", "GradientShap", "Occlusion", "LayerGradCam"])
def test_what_is_not_captums_passes_as_it_is(images, name):
    """A signal, memory that ran out, an error of the model's own."""
    model = model_of()
    put = ask(model, images)
    _ = put.targets

    def stop(_: int) -> None:
        raise StoppedError(15)

    put.progress = stop
    with pytest.raises(StoppedError):
        attribution("captum", put, **keys_of(name))
    assert not any(layer._forward_hooks for layer in model.module.modules())
    for net, error in ((cramped_net(), torch.OutOfMemoryError), (tiny.failing_net(), ValueError)):
        put = ask(model_of(net), images)
        put._logits = torch.randn(7, 3)
        with pytest.raises(error):
            attribution("captum", put, **keys_of(name))


# ---------------------------------------------------------------------------------- as a command


def test_an_audit(folder, tmp_path):
    out, stages = tmp_path / "out", "stages=[index,attribute,score]"
    more = ("method=captum", "method.attribution=DeepLiftShap", "limit=6", stages)
    result = tiny.audit(tiny.overrides(folder, out, *more, "compute.batch_size=4"))
    assert result.returncode == 0, result.stderr
    scores, told = pd.read_parquet(out / "scores"), pd.read_parquet(out / "attributions")
    assert {*scores.method} == {"captum-DeepLiftShap"}
    assert len(scores) == 6 * 2
    assert scores.mass_border.between(0, 1).all()
    assert told.completeness_error.abs().max() < 1e-4


def test_several_in_one_pass_and_the_folder_of_one(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stages = ("stages=[index,attribute,score]", "limit=3")
    given = tiny.overrides(folder, tmp_path / "unused", *stages)
    given = [key for key in given if not key.startswith("output_dir=")]
    assert tiny.audit([*given, "methods=[captum,gradcam]"]).returncode == 0
    one = [
        "method=captum",
        "method.attribution=LayerGradCam",
        "method.kwargs={attr_dim_summation: true}",
    ]
    assert tiny.audit([*given, *one]).returncode == 0
    folders = {place.parent.name for place in (tmp_path / "outputs").rglob("run.json")}
    assert folders == {"captum-IntegratedGradients+gradcam", "captum-LayerGradCam"}
