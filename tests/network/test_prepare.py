"""Target layers, folding and freezing, over every family of torchvision's CNNs."""

from __future__ import annotations

import copy
import dataclasses
import logging
import re
from typing import TYPE_CHECKING

import pytest
import torch
import torchvision
from torch import nn

from xai_audit.errors import ModelError
from xai_audit.network.copied import fold_conv_bn, restore
from xai_audit.network.prepare import fingerprint, prepare
from xai_audit.network.target_layer import choose, require_layer, require_map, trace
from xai_audit.types import LoadedModel, ModelSpec, Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS = {
    "alexnet": "features",
    "convnext": "features",
    "densenet": "features",
    "efficientnet": "features",
    "googlenet": "inception5b",
    "inception": "Mixed_7c",
    "maxvit": "blocks.3",
    "mnasnet": "layers",
    "mobilenet": "features",
    "regnet": "trunk_output",
    "resnet": "layer4",
    "resnext": "layer4",
    "shufflenet": "conv5",
    "squeezenet": "features",
    "vgg": "features",
    "wide_resnet": "layer4",
}
SLOW = pytest.mark.slow
# The smallest of each family, and how many pairs of convolution and batch norm it has.
SMALLEST = {
    "alexnet": 0,
    "vgg11": 0,
    "vgg11_bn": 8,
    "resnet18": 20,
    "squeezenet1_1": 0,
    "densenet121": 59,
    "inception_v3": 94,
    "googlenet": 57,
    "shufflenet_v2_x0_5": 56,
    "mobilenet_v2": 52,
    "mobilenet_v3_small": 34,
    "resnext50_32x4d": 53,
    "wide_resnet50_2": 53,
    "mnasnet0_5": 52,
    "efficientnet_b0": 49,
    "efficientnet_v2_s": 110,
    "regnet_y_400mf": 53,
    "convnext_tiny": 0,
    "maxvit_t": 23,
}
# Where 64 px would leave a single position, or the network takes one size only.
SIDES = {"alexnet": 128, "inception_v3": 128, "maxvit_t": 224}
ALL = torchvision.models.list_models(module=torchvision.models)
CNNS = [a for a in ALL if not a.startswith(("vit", "swin"))]
TRANSFORMERS = [a for a in ALL if a.startswith(("vit", "swin"))]


def layer_of(arch: str) -> str:
    return next(layer for family, layer in LAYERS.items() if arch.startswith(family))


def torchvision_model(arch: str, classes: int = 11) -> nn.Module:
    extra = {"init_weights": False, "aux_logits": False} if "cept" in arch or "goog" in arch else {}
    return torchvision.models.get_model(arch, num_classes=classes, **extra).eval()


def shake(module: nn.Module) -> nn.Module:
    """Batch norms as after training: fresh ones would make folding nearly a no-op."""
    generator = torch.Generator().manual_seed(3)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for value, low, high in (
                (layer.weight, 0.8, 1.2),
                (layer.bias, -0.2, 0.2),
                (layer.running_mean, -0.2, 0.2),
                (layer.running_var, 0.7, 1.3),
            ):
                value.data.uniform_(low, high, generator=generator)
    return module


def outputs(
    module: nn.Module, layer: str, image: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and the layer's output as it left the layer."""
    kept: list[torch.Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(
        lambda _, __, output: kept.append(output.clone())
    )
    with torch.no_grad():
        logits = module(image)
    handle.remove()
    return logits, kept[0]


def hooks(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def prepared(module: nn.Module, side: int = 8, **changes: object) -> LoadedModel:
    spec = ModelSpec(module, Preprocess(crop=(side, side)), "net")
    return prepare(dataclasses.replace(spec, **changes), device="cpu")


def prepare_and_compare(arch: str, pairs: int | None) -> None:
    side = SIDES.get(arch, 64)
    torch.manual_seed(0)
    plain = shake(torchvision_model(arch))
    model = prepared(copy.deepcopy(plain), side)
    assert model.target_layer == layer_of(arch)
    assert model.num_outputs == 11
    assert not model.module.training
    assert not any(p.requires_grad for p in model.module.parameters())
    assert hooks(model.module) == 0
    if pairs is not None:
        left = sum(type(m) is nn.BatchNorm2d for m in model.module.modules())
        assert sum(type(m) is nn.BatchNorm2d for m in plain.modules()) - left == pairs
    image = torch.randn(1, 3, side, side)
    logits, features = outputs(model.module, model.target_layer, image)
    plain_logits, plain_features = outputs(plain, model.target_layer, image)
    assert relative(logits, plain_logits) < 1e-4
    assert relative(features, plain_features) < 1e-4
    assert tuple(features.shape[2:]) == model.grid


@pytest.mark.parametrize("arch", SMALLEST)
def test_every_family(arch: str) -> None:
    prepare_and_compare(arch, SMALLEST[arch])


@SLOW
@pytest.mark.parametrize("arch", [a for a in CNNS if a not in SMALLEST and "128gf" not in a])
def test_every_other_member(arch: str) -> None:
    prepare_and_compare(arch, None)


@pytest.mark.parametrize(
    "arch",
    [
        pytest.param(a, marks=() if a in SMALLEST else SLOW)
        for a in CNNS
        if not a.startswith("regnet")
    ],
)
def test_layer_of_every_cnn(arch: str) -> None:
    # Shapes are all that is asked, and the meta device has nothing else (RegNets compute theirs).
    with torch.device("meta"):
        module = torchvision_model(arch)
        assert find(module, torch.empty(1, 3, 224, 224)) == layer_of(arch)
    assert hooks(module) == 0


# Behind the last attention of a ViT only the class token decides; Swin pools all its tokens.
TOKENS = {"vit": r"encoder\.layers\.encoder_layer_\d+\.ln_1", "swin": "norm"}


@pytest.mark.parametrize(
    "arch",
    [
        pytest.param(a, marks=() if a in ("vit_b_32", "swin_t") else SLOW)
        for a in TRANSFORMERS
        if a != "vit_h_14"  # 2.5 GB of weights
    ],
)
def test_layer_of_transformers(arch: str) -> None:
    module = torchvision.models.get_model(arch, num_classes=11).eval()
    model = prepared(module, 224)
    assert re.fullmatch(TOKENS[arch.partition("_")[0]], model.target_layer)
    side = 224 // (int(arch[-2:]) if arch.startswith("vit") else 32)
    assert model.grid == (side, side)
    assert hooks(model.module) == 0


@pytest.mark.parametrize(
    ("arch", "layer", "grid"),
    [
        ("vit_tiny_patch16_224", "blocks.11.norm1", 14),
        ("deit_tiny_distilled_patch16_224", "blocks.11.norm1", 14),  # two tokens before
        ("cait_xxs24_224", "blocks_token_only.1.norm1", 14),
        # Five tokens before; channels last, as swin_t has them; tokens mixed by layers; both kinds.
        pytest.param("vit_small_patch14_reg4_dinov2", "blocks.11.norm1", 37, marks=SLOW),
        pytest.param("swin_tiny_patch4_window7_224", "norm", 7, marks=SLOW),
        pytest.param("mixer_s32_224", "norm", 7, marks=SLOW),
        pytest.param("maxvit_tiny_tf_224", "stages", 7, marks=SLOW),
    ],
)
def test_layer_of_timm(arch: str, layer: str, grid: int) -> None:
    timm = pytest.importorskip("timm")
    module = timm.create_model(arch, pretrained=False, num_classes=7).eval()
    model = prepared(module, module.pretrained_cfg["input_size"][-1])
    assert (model.target_layer, model.grid) == (layer, (grid, grid))


def find(module: nn.Module, probe: torch.Tensor) -> str:
    return choose(trace(module, probe), module, probe)


def check(module: nn.Module, name: str, probe: torch.Tensor) -> None:
    require_layer(module, name)
    require_map(trace(module, probe), name)


class Small(nn.Module):
    """Configurable enough to try each corner of the search."""

    def __init__(self, classes: int = 5, width: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.unused = nn.Conv2d(3, 3, 1)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.act(self.bn(self.stem(x))))
        return self.fc(x.mean((2, 3)))


PROBE = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(5))


def test_the_later_sibling_of_an_inplace_activation_wins() -> None:
    assert find(Small().eval(), PROBE) == "act"


def test_as_many_channels_as_classes_are_still_features() -> None:
    assert find(Small(classes=6).eval(), PROBE) == "act"


def test_class_maps_are_no_features() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )  # fmt: skip
    assert find(module.eval(), PROBE) == "1"


def test_channels_last_output_is_laid_out() -> None:
    class Last(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.permute(0, 2, 3, 1)

    module = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), Last(), nn.LayerNorm(16), nn.Flatten(), nn.Linear(1024, 2)
    ).eval()
    assert find(module, PROBE) == "2"
    assert prepared(module).grid == (8, 8)
    check(module, "2", PROBE)


def test_a_user_layer_is_checked() -> None:
    module = Small().eval()
    check(module, "stem", PROBE)
    for name, text in {
        "steam": "no such layer: model.target_layer | got 'steam' | remedy: one of stem",
        "": "no such layer",
        "unused": "model.target_layer=unused | got it does not run",
        "fc": "(B, h, w, C) or (B, tokens, C) | got (1, 5)",
    }.items():
        with pytest.raises(ModelError) as caught:
            check(module, name, PROBE)
        assert text in str(caught.value)
    with pytest.raises(ModelError, match=r"layer1\.0\.relu \| got it runs 2 times"):
        check(torchvision_model("resnet18"), "layer1.0.relu", torch.zeros(1, 3, 32, 32))
    assert hooks(module) == 0


def test_hooks_go_when_the_forward_fails() -> None:
    module = Small().eval()
    with pytest.raises(ModelError, match="the model's forward failed on one image") as caught:
        prepared(module, preprocess=Preprocess(crop=(8, 8), mean=(0.5,) * 2, std=(0.5,) * 2))
    assert "for input (1, 2, 8, 8)" in str(caught.value)
    assert hooks(module) == 0


def test_a_given_layer_is_kept() -> None:
    assert prepared(Small(), target_layer="stem").target_layer == "stem"
    with pytest.raises(ModelError, match="no such layer"):
        prepared(Small(), target_layer="layer4")


def test_half_modules_run_in_float32() -> None:
    assert prepared(Small().half()).module.fc.weight.dtype == torch.float32


@pytest.mark.parametrize("target", ["stem", "bn", "act"])
def test_folding_keeps_the_target(target: str) -> None:
    plain = shake(Small().eval())
    model = prepared(copy.deepcopy(plain), target_layer=target)
    _, features = outputs(model.module, target, PROBE)
    torch.testing.assert_close(features, outputs(plain, target, PROBE)[1], rtol=1e-5, atol=1e-6)
    assert isinstance(model.module.bn, nn.Identity) == (target != "stem")


def test_folding_keeps_a_target_that_ends_in_the_convolution() -> None:
    plain = shake(
        nn.Sequential(
            nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4), nn.Flatten()
        ).eval()
    )
    model = prepared(copy.deepcopy(plain), target_layer="0")
    features, expected = (outputs(m, "0", PROBE)[1] for m in (model.module, plain))
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-6)


class Reused(Small):
    """Runs its convolution twice: folding the second batch norm in would change the first."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc((self.bn(self.stem(x)) + self.stem(x)).mean((2, 3)))


class ReadTwice(Small):
    """Uses the convolution's output beside the batch norm's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.fc((self.bn(x) + x).mean((2, 3)))


class Activated(nn.BatchNorm2d):
    """A batch norm that does more, as timm's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(super().forward(x))


def subclassed() -> nn.Module:
    module = Small()
    module.bn = Activated(6)
    return module


def batch_statistics() -> nn.Module:
    module = Small()
    module.bn = nn.BatchNorm2d(6, track_running_stats=False)
    return module


def normed_weight() -> nn.Module:
    module = Small()
    nn.utils.parametrizations.weight_norm(module.stem)
    return module


@pytest.mark.parametrize("make", [Reused, ReadTwice, subclassed, batch_statistics, normed_weight])
def test_pairs_that_must_not_be_folded(make: Callable[[], nn.Module]) -> None:
    module = shake(make().eval()) if make is not batch_statistics else make().eval()
    before = module(PROBE)
    assert fold_conv_bn(module, keep="pool") == {}
    assert torch.equal(module(PROBE), before)


def test_what_cannot_be_traced_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Branching(Small):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x if x.sum() > 0 else -x)

    with caplog.at_level(logging.DEBUG, logger="xai_audit"):
        model = prepared(Branching())
    assert isinstance(model.module.bn, nn.BatchNorm2d)
    assert "not folded" in caplog.text


class Reading(Small):
    """Reads its batch norm's attributes, which an Identity does not have."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * self.bn.eps


class Doubling(Small):
    """Uses the weight of its convolution once more, unseen by a search over calls."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * self.stem.weight.sum()


@pytest.mark.parametrize("make", [Reading, Doubling])
def test_folding_is_undone_where_it_hurts(make: type[Small]) -> None:
    plain = shake(make().eval())
    model = prepared(copy.deepcopy(plain))
    assert isinstance(model.module.bn, nn.BatchNorm2d)
    torch.testing.assert_close(model.module(PROBE), plain(PROBE))


def test_restore_gives_back_the_same_modules() -> None:
    module = shake(Small().eval())
    before = dict(module.named_modules())
    restore(module, fold_conv_bn(module, keep="pool"))
    assert dict(module.named_modules()) == before


def test_kernels_are_channels_last() -> None:
    weight = prepared(Small()).module.stem.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_fingerprint_tells_models_apart() -> None:
    torch.manual_seed(0)
    module = Small()
    spec = ModelSpec(module, Preprocess(), "a")
    first = fingerprint(spec)
    assert first == fingerprint(dataclasses.replace(spec, name="b"))
    clone = copy.deepcopy(module).to(memory_format=torch.channels_last).eval()
    assert first == fingerprint(ModelSpec(clone, Preprocess(), "a"))
    changed = [ModelSpec(module, Preprocess(resize=224), "a")]
    for change in (
        lambda m: m.fc.bias.data.add_(1),
        lambda m: m.bn.running_mean.add_(1),
        lambda m: setattr(m, "act", nn.GELU()),
        lambda m: m.half(),
    ):
        other = copy.deepcopy(module)
        change(other)
        changed.append(ModelSpec(other, Preprocess(), "a"))
    prints = [fingerprint(s) for s in changed]
    assert len({first, *prints}) == 1 + len(prints)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["stem.weight", "bn.running_var"])
def test_weights_that_are_not_finite_are_refused(name: str, value: float) -> None:
    module = Small()
    module.state_dict()[name].view(-1)[1:3] = value
    module.state_dict()["fc.bias"][0] = torch.nan  # a later one
    with pytest.raises(ModelError) as caught:
        prepared(module)
    size = module.state_dict()[name].numel()
    assert str(caught.value) == (
        f"the model's weights are not finite: {name} | expected finite numbers | got NaN or "
        f"infinity in 2 of {size} | remedy: a checkpoint from before its training diverged"
    )


def test_a_mask_may_hold_infinities_but_no_nan_and_a_sum_may_be_too_large() -> None:
    module = Small()
    module.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))
    with torch.no_grad():
        module.unused.weight.fill_(3e38)
    assert prepared(module).num_outputs == 5
    module.mask[0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"not finite: mask \| .* got NaN or infinity in 1 of 9"):
        prepared(module)


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    spec = ModelSpec(Small(), Preprocess(crop=(8, 8)), "net")
    assert prepare(spec, device="cuda:0").module.fc.weight.is_cuda
