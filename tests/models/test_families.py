"""Every classifier of torchvision and the smallest of every family of timm, without weights.

Each is prepared as an audit does it, its layer is found, and Grad-CAM explains an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import torchvision
from torch import nn

from tests.methods.asking import maps, request
from xai_audit.errors import ModelError
from xai_audit.network.prepare import prepare
from xai_audit.types import ModelSpec, Preprocess

if TYPE_CHECKING:
    from xai_audit.types import LoadedModel

# More parameters are gigabytes of memory and minutes, and the same code as a smaller member's.
MOST = 120_000_000
# One a family: the others differ in width and depth.
FAST = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v3_small", "regnet_y_400mf", "resnet18",
    "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vgg11", "vit_b_32",
)  # fmt: skip
TORCHVISION = torchvision.models.list_models(module=torchvision.models)

# The smallest member of every family (module) of timm, but for its own test networks.
TIMM = {
    "beit": "beit_base_patch16_224", "byoanet": "halonet_h1", "byobnet": "mobileone_s1",
    "cait": "cait_xxs24_224", "coat": "coat_tiny", "convit": "convit_tiny",
    "convmixer": "convmixer_768_32", "convnext": "convnext_zepto_rms", "cpubone": "cpubone_nano",
    "crossvit": "crossvit_tiny_240", "csatv2": "csatv2", "cspnet": "cs3darknet_focus_s",
    "cspnext": "cspnext_tiny", "davit": "davit_tiny", "deit": "deit_tiny_patch16_224",
    "densenet": "densenet121", "dla": "dla46x_c", "dpn": "dpn48b",
    "edgenext": "edgenext_xx_small", "efficientformer": "efficientformer_l1",
    "efficientformer_v2": "efficientformerv2_s0", "efficientnet": "mobilenetv2_035",
    "efficientvim": "efficientvim_m1", "efficientvit_mit": "efficientvit_b0",
    "efficientvit_msra": "efficientvit_m0", "eva": "vit_tiny_patch16_dinov3_qkvb",
    "fasternet": "fasternet_t0", "fastvit": "fastvit_t8", "focalnet": "focalnet_tiny_srf",
    "gcvit": "gcvit_xxtiny", "ghostnet": "ghostnet_050", "hardcorenas": "hardcorenas_b",
    "hgnet": "hgnetv2_b0", "hiera": "hiera_tiny_224", "hieradet_sam2": "sam2_hiera_tiny",
    "hrnet": "hrnet_w18_small", "iformer": "iformer_t", "inception_next": "inception_next_atto",
    "inception_resnet_v2": "inception_resnet_v2", "inception_v3": "inception_v3",
    "inception_v4": "inception_v4", "lcnetv2": "lcnetv2_small", "levit": "levit_128s",
    "lowformer": "lowformer_b0", "mambaout": "mambaout_femto", "maxxvit": "maxvit_pico_rw_256",
    "metaformer": "poolformerv2_s12", "mlp_mixer": "gmlp_ti16_224", "mobilenetv3": "lcnet_035",
    "mobilenetv5": "mobilenetv5_base", "mobilevit": "mobilevit_xxs", "mvitv2": "mvitv2_tiny",
    "naflexvit": "naflexvit_base_patch16_parfac_gap", "nasnet": "nasnetalarge",
    "nest": "nest_tiny", "nextvit": "nextvit_small", "nfnet": "nf_regnet_b0", "pit": "pit_ti_224",
    "pnasnet": "pnasnet5large", "pvt_v2": "pvt_v2_b0", "qwen3_vit": "qwen3_vit_88m",
    "rdnet": "rdnet_tiny", "regnet": "regnetx_002", "repghost": "repghostnet_050",
    "repvit": "repvit_m1", "res2net": "res2next50", "resnest": "resnest14d",
    "resnet": "resnet10t", "resnetv2": "resnetv2_18", "rexnet": "rexnet_100",
    "selecsls": "selecsls42", "senet": "legacy_seresnet18", "sequencer": "sequencer2d_s",
    "shvit": "shvit_s1", "sknet": "skresnet18", "starnet": "starnet_s050",
    "swiftformer": "swiftformer_xs", "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2": "swinv2_tiny_window16_256",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224", "tiny_vit": "tiny_vit_5m_224",
    "tnt": "tnt_s_legacy_patch16_224", "tresnet": "tresnet_m", "twins": "twins_svt_small",
    "visformer": "visformer_tiny", "vision_transformer": "vit_tiny_patch16_224",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224",
    "vision_transformer_relpos": "vit_srelpos_small_patch16_224",
    "vision_transformer_sam": "samvit_base_patch16_224", "vitamin": "vitamin_small_224",
    "volo": "volo_d1_224", "vovnet": "ese_vovnet19b_slim_dw", "xception": "legacy_xception",
    "xception_aligned": "xception41p", "xcit": "xcit_nano_12_p8_224",
}  # fmt: skip
# A handful: convolutions, tokens, class attention, channels last, tokens mixed by layers.
FAST_TIMM = ("efficientnet", "vision_transformer", "cait", "convnext", "mlp_mixer")
# The smallest has more than MOST.
TOO_LARGE = {"deepseek_vit": 412e6, "gemma4_vit": 167e6, "vgg": 129e6}


def explained(module: nn.Module, side: tuple[int, int]) -> tuple[LoadedModel, torch.Tensor]:
    """The prepared model and its Grad-CAM (T, h, w) of one image."""
    # Networks that are to be trained begin with a head of zeros: nothing depends on anything.
    for layer in module.modules():
        if isinstance(layer, nn.Linear) and not bool(layer.weight.any()):
            nn.init.normal_(layer.weight, std=0.02)
    model = prepare(ModelSpec(module, Preprocess(crop=side), "net"), device="cpu")
    image = torch.randn(1, 3, *side, generator=torch.Generator().manual_seed(1))
    # Grad-CAM may find nothing for one class; for the highest and the lowest score it seldom does.
    found = maps("gradcam", request(model, image, torch.tensor([1]), ("label", "top1", "top5")))
    return model, found[0]


def check(module: nn.Module, side: tuple[int, int], classes: int) -> None:
    model, found = explained(module, side)
    assert model.num_outputs == classes
    assert model.grid > (1, 1)
    assert found.shape == (3, *model.grid)
    assert bool(found.isfinite().all())
    assert float(found.abs().max()) > 0


@pytest.mark.parametrize(
    "arch", [pytest.param(a, marks=() if a in FAST else pytest.mark.slow) for a in TORCHVISION]
)
def test_torchvision(arch: str) -> None:
    weights = next(iter(torchvision.models.get_model_weights(arch)))
    if weights.meta["num_params"] > MOST and arch not in FAST:
        pytest.skip(f"{weights.meta['num_params']:,} parameters")
    extra = {"init_weights": False, "aux_logits": False} if "cept" in arch or "goog" in arch else {}
    torch.manual_seed(0)
    module = torchvision.models.get_model(arch, num_classes=5, **extra)
    side = 224 if arch.startswith(("maxvit", "swin", "vit")) or arch not in FAST else 128
    check(module, (side, side), 5)


@pytest.mark.parametrize(
    "family", [pytest.param(f, marks=() if f in FAST_TIMM else pytest.mark.slow) for f in TIMM]
)
def test_timm(family: str) -> None:
    timm = pytest.importorskip("timm")
    arch = TIMM[family]
    if not timm.is_model(arch):
        pytest.skip(f"timm {timm.__version__} has no {arch}")
    torch.manual_seed(0)
    module = timm.create_model(arch, pretrained=False, num_classes=5)
    _, height, width = module.pretrained_cfg["input_size"]
    check(module, (height, width), 5)


@pytest.mark.slow
def test_every_family_of_timm_has_a_member_here() -> None:
    timm = pytest.importorskip("timm")
    missing = {*timm.list_modules()} - {*TIMM} - {*TOO_LARGE}
    assert not missing, "add the smallest of each to TIMM"


# What no audit can explain, and the line that its user gets.
REFUSED = {
    "positions are gone at once": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 8), nn.ReLU(), nn.Linear(8, 5)),
        "no layer to explain was found: Sequential | expected feature maps or patch tokens "
        "before the classifier, of a layer that runs once | got none | remedy: "
        "model.target_layer=NAME",
    ),
    "class maps": (
        lambda: nn.Sequential(nn.Conv2d(3, 5, 3)),
        "the model is a segmentation network, and only image classifiers are audited: forward of "
        "one image | expected a tensor (1, K), or a container with logits (1, K) | "
        "got (1, 5, 62, 62) | remedy: model=custom with a module that returns only the logits",
    ),
    "another size": (
        lambda: torchvision.models.get_model("vit_b_32", num_classes=5),
        "the model's forward failed on one image: VisionTransformer | got AssertionError: "
        "Wrong image height! Expected 224 but got 64!",
    ),
    "other channels": (
        lambda: nn.Sequential(nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        "its number of channels, which is the number of values of model.preprocess.mean",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_explained_is_one_line(what: str) -> None:
    make, told = REFUSED[what]
    with pytest.raises(ModelError) as caught:
        explained(make(), (64, 64))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
