"""The CAM family against pytorch-grad-cam, and what its formulas promise."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from pytorch_grad_cam import (
    EigenCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
)
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from tests import tiny
from tests.methods.asking import cosines, loaded, maps, request
from tests.methods.nets import trained_looking
from xai_audit.errors import ModelError
from xai_audit.methods.eigencam import first_component

REFERENCE = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "hirescam": HiResCAM,
    "layercam": LayerCAM,
    "xgradcam": XGradCAM,
    "eigencam": EigenCAM,
    "scorecam": ScoreCAM,
}
# Not densenet: its in-place ReLU behind the layer overwrites what the reference keeps.
NETS = {"resnet18": "layer4", "vgg11_bn": "features", "mobilenet_v2": "features"}


@cache
def network(name: str) -> torch.nn.Module:
    """One for all methods: vgg's weights take a second to draw."""
    return trained_looking(name)


class Raw:
    """A reference's map before it is resized and scaled for display."""

    def __new__(cls, kind: type, net: torch.nn.Module, layer: str):
        class Plain(kind):
            def compute_cam_per_layer(self, images, targets, eigen_smooth):
                kept = self.activations_and_grads
                gradient = kept.gradients[0].numpy() if kept.gradients else None
                cam = self.get_cam_image(
                    images, self.target_layers[0], targets, kept.activations[0].numpy(), gradient,
                    eigen_smooth,
                )  # fmt: skip
                return [cam[:, None]]

            def aggregate_multi_layers(self, cams):
                return cams[0][:, 0]

        return Plain(net, [net.get_submodule(layer)])


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("name", REFERENCE)
def test_equals_pytorch_grad_cam(name, net):
    if name == "scorecam" and net != "resnet18":
        pytest.skip("a thousand forwards an image")
    module, layer = network(net).requires_grad_(True), NETS[net]
    images = torch.randn(2, 3, 96, 96)
    labels = module(images).argmax(1)
    with Raw(REFERENCE[name], module, layer) as reference:
        wanted = [ClassifierOutputTarget(int(label)) for label in labels]
        expected = torch.from_numpy(np.array(reference(images.clone(), wanted)))
    module.requires_grad_(False)
    got = maps(name, request(loaded(module, 96, layer), images, labels))[:, 0]
    if name == "eigencam":  # whose sign means nothing in the reference
        expected = expected * (got * expected).sum((1, 2), keepdim=True).sign()
    # The reference stretches masks with align_corners=True, which moves them by half a cell.
    assert float(cosines(got, expected).min()) >= (0.999 if name == "scorecam" else 0.9999)
    assert float(cosines(got.relu(), expected.relu()).min()) >= 0.999


def two_layers() -> torch.nn.Module:
    net = tiny.net()
    net[4] = torch.nn.ReLU()
    return net


def test_several_layers_are_fused():
    """A slow plain version: each map cut at 0, scaled to 1, on the finest grid, averaged."""
    images, labels = torch.randn(2, 3, 64, 64), torch.tensor([0, 1])
    model = loaded(two_layers(), 64)
    each = [maps("gradcam", request(model, images, labels), layers=[name]) for name in ("2", "4")]
    together = maps("gradcam", request(model, images, labels), layers=["2", "4"])
    assert together.shape == (2, 1, 16, 16)
    for image in range(2):
        total = np.zeros((16, 16))
        for found in each:
            one = found[image, 0].clamp(min=0)
            if one.max() > 0:
                one = one / one.max()
            big = torch.nn.functional.interpolate(one[None, None], (16, 16), mode="bilinear")
            total += big[0, 0].numpy() / 2
        np.testing.assert_allclose(together[image, 0].numpy(), total, atol=1e-6)


def test_hirescam_adds_up_to_the_score_of_a_linear_head():
    """Draelos and Carin: behind the layer all is linear, so the map is the score in parts."""
    net, images, labels = two_layers(), torch.randn(3, 3, 64, 64), torch.tensor([0, 1, 2])
    question = request(loaded(net, 64, "4"), images, labels)
    got = maps("hirescam", question)[:, 0].sum((1, 2))
    expected = question.logits.gather(1, labels[:, None])[:, 0] - net[7].bias[labels]
    assert torch.allclose(got, expected, atol=1e-5)


def test_eigencam_is_the_first_singular_vector():
    activations = torch.rand(2, 6, 3, 4)
    got = first_component(activations)
    for image in range(2):
        places = activations[image].flatten(1).T.double().numpy()
        centred = places - places.mean(0)
        _, _, right = np.linalg.svd(centred)
        expected = centred @ right[0]
        expected *= np.sign((expected * places.sum(1)).sum())
        np.testing.assert_allclose(got[image].flatten().numpy(), expected, atol=1e-5)


def test_scorecam_asks_once_for_all_flat_channels():
    """A slow plain version, a channel at a time; room for two copies a forward."""
    net, images, labels = two_layers(), torch.randn(2, 3, 64, 64), torch.tensor([0, 1])
    with torch.no_grad():
        net[3].weight[:5] = 0
    model = loaded(net, 64, "4")
    got = maps("scorecam", request(model, images, labels, ("label", "contrast"), max_batch=2))
    with torch.no_grad():
        features = model.module[:5](images)
        for image in range(2):
            scores = []
            for channel in features[image]:
                low, high = channel.min(), channel.max()
                shown = (channel - low) / (high - low + 1e-8)
                up = torch.nn.functional.interpolate(shown[None, None], (64, 64), mode="bilinear")
                scores.append(model.module(images[image : image + 1] * up)[0, labels[image]])
            weight = torch.stack(scores).softmax(0)
            expected = (weight[:, None, None] * features[image]).sum(0)
            assert torch.allclose(got[image, 0], expected, atol=1e-5)


def test_an_unknown_layer_is_named():
    question = request(loaded(tiny.net(), 64), torch.randn(1, 3, 64, 64), torch.tensor([0]))
    with pytest.raises(ModelError, match=r"no such layer.*got 'layer9'"):
        maps("gradcam", question, layers=["layer9"])
