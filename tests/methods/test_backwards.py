"""Methods with a backward of their own: guided backpropagation, DeepLIFT, LRP."""

from __future__ import annotations

import builtins
import warnings

import pytest
import torch
import torch.nn.functional as F
import zennit.composites
from captum.attr import DeepLift, GuidedBackprop, GuidedGradCam
from torch import nn
from zennit.torchvision import ResNetCanonizer, VGGCanonizer

from tests.methods.asking import attribution, cosines, loaded, maps, request
from tests.methods.nets import trained_looking
from xai_audit.errors import ConfigError, ModelError
from xai_audit.methods.lrp import Lrp

LABELS = torch.tensor([0, 2])


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def reference(kind: type, net: nn.Module, *extra: object, images: torch.Tensor, **keys: object):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum tells that it sets hooks
        leaf = images.clone().requires_grad_()
        return kind(net, *extra).attribute(leaf, target=LABELS, **keys).detach()


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "squeezenet1_1"])
def test_guided_backprop_equals_captum(name, images):
    net = trained_looking(name)
    expected = reference(GuidedBackprop, net, images=images).sum(1)
    got = maps("guided_backprop", request(loaded(net, 64), images, LABELS))[:, 0]
    assert float(cosines(got, expected).min()) >= 0.9999


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn"])
def test_guided_gradcam_equals_captum(name, images):
    net = trained_looking(name)
    layer = net.layer4 if name == "resnet18" else net.features
    expected = reference(GuidedGradCam, net, layer, images=images, interpolate_mode="bilinear").sum(
        1
    )
    got = maps("guided_gradcam", request(loaded(net, 64), images, LABELS))[:, 0]
    assert float(cosines(got, expected).min()) >= 0.9999


class Functional(nn.Module):
    """ReLUs as functions, one of them in place: hooks on modules never see them."""

    def __init__(self, *, modules: bool) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.one, self.two = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 8, 3, stride=2)
        self.head = nn.Linear(8, 3)
        self.first = nn.ReLU() if modules else F.relu
        self.second = nn.ReLU() if modules else lambda x: torch.relu_(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.second(self.two(self.first(self.one(x))))
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize(("name", "keys"), [("guided_backprop", {}), ("deeplift", {"seed": 0})])
def test_functions_are_treated_like_modules(name, keys, images):
    found = [
        maps(name, request(loaded(Functional(modules=kind), 64, "two"), images, LABELS), **keys)
        for kind in (True, False)
    ]
    assert torch.equal(*found)


def test_deeplift_equals_captum(images):
    """On a network of modules used once, which is all that Captum's can."""
    net = trained_looking("vgg11_bn")
    for name, module in [*net.named_modules()]:
        if isinstance(module, nn.ReLU):
            module.inplace = False
        if isinstance(module, nn.MaxPool2d):  # Captum has a rule for it; ours keeps the gradient
            net.set_submodule(name, nn.AvgPool2d(2))
    expected = reference(DeepLift, net, images=images, baselines=torch.zeros_like(images)).sum(1)
    put = request(loaded(net, 64), images, LABELS)
    got = attribution("deeplift", put, baseline="mean", seed=0)
    assert float(cosines(got.maps[:, 0], expected).min()) >= 0.9999
    change = put.logits - put.model.module(torch.zeros_like(images))
    assert torch.allclose(got.maps.sum((2, 3)), change.gather(1, LABELS[:, None]), atol=1e-4)
    assert float(got.completeness_error.abs().max()) < 1e-4


def test_deeplift_adds_up_where_a_module_is_used_twice(images):
    """ResNet's one ReLU a block, which Captum's DeepLift refuses."""
    net = trained_looking("resnet18")
    net.maxpool = nn.Identity()
    put = request(loaded(net, 64), images, LABELS)
    found = attribution("deeplift", put, baseline="black", seed=0)
    assert float(found.completeness_error.abs().max()) < 1e-3


@pytest.mark.parametrize(
    ("name", "canonizer"), [("resnet18", ResNetCanonizer), ("vgg11_bn", VGGCanonizer)]
)
def test_lrp_equals_zennit_alone(name, canonizer, images):
    net = trained_looking(name)
    composite = zennit.composites.EpsilonPlusFlat(canonizers=[canonizer()])
    leaf = images.clone().requires_grad_()
    with composite.context(net) as rewired:
        logits = rewired(leaf)
        start = F.one_hot(LABELS, logits.shape[1]) * logits.detach()
        expected = torch.autograd.grad(logits, leaf, start)[0].sum(1)
    got = maps("lrp", request(loaded(net, 64), images, LABELS))[:, 0]
    assert float(cosines(got, expected).min()) >= 0.999


def test_lrp_without_zennit_says_what_to_install(monkeypatch):
    plain = builtins.__import__

    def without(name, *rest):
        if name.startswith("zennit"):
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"zennit is not installed: method=lrp.*\[lrp\]"):
        Lrp(name="lrp", sign="positive", composite="epsilon_plus")


def test_an_unknown_composite_is_refused():
    with pytest.raises(
        ConfigError, match=r"method\.composite of lrp \| expected one of epsilon_plus_flat"
    ):
        Lrp(name="lrp", sign="positive", composite="flat")


class Dropped(nn.Module):
    """A ReLU in place whose result is not used: only what it overwrites is."""

    def __init__(self) -> None:
        super().__init__()
        self.see, self.say = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.see(images)
        torch.relu_(seen)
        return self.say(seen.mean((2, 3)))


@pytest.mark.parametrize("name", ["guided_backprop", "guided_gradcam"])
def test_without_a_relu_there_is_nothing_to_guide(name):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    put = request(loaded(net, 16, "0"), torch.randn(1, 3, 16, 16), torch.tensor([1]))
    with pytest.raises(ModelError, match=f"no ReLU to guide gradients at: method={name}"):
        maps(name, put)


@pytest.mark.parametrize(("name", "keys"), [("guided_backprop", {}), ("deeplift", {"seed": 0})])
def test_what_cannot_be_followed_is_told(name, keys):
    torch.manual_seed(0)
    put = request(loaded(Dropped(), 16, "see"), torch.randn(2, 3, 16, 16), torch.tensor([1, 0]))
    with pytest.raises(ModelError, match="in place in a way that this method cannot follow"):
        maps(name, put, **keys)
