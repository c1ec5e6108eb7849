from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam
from torchvision import models

from tests import tiny
from tests.methods.asking import maps, request
from xai_audit.attribute.targets import make_target
from xai_audit.network.prepare import prepare
from xai_audit.types import LoadedModel, ModelSpec, Preprocess, Target

FAMILIES = {
    "resnet18": "layer4",
    "vgg11": "features",
    "densenet121": "features",
    "mobilenet_v2": "features",
    "squeezenet1_1": "features",
}


def explained(model: LoadedModel, images: torch.Tensor, labels: torch.Tensor, kinds=("label",)):
    question = request(model, images, labels, kinds)
    found = maps("gradcam", question)
    return question.logits, found


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_captum_on_torchvision_families(family):
    torch.manual_seed(1)
    reference = getattr(models, family)(weights=None, num_classes=7).eval()
    # Not zero and one: folding must be seen to keep a trained BN's shift and scale.
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.7, 1.3)
    images = torch.randn(3, 3, 160, 160)
    labels = reference(images).argmax(1)  # whose maps are positive somewhere
    layer = reference.get_submodule(FAMILIES[family])
    expected = LayerGradCam(reference, layer).attribute(images, target=labels)[:, 0].detach()
    spec = ModelSpec(reference, Preprocess(resize=160, crop=(160, 160)), family, FAMILIES[family])
    model = prepare(spec, device="cpu")
    logits, maps = explained(model, images, labels)
    got = maps[:, 0]
    # Signed, which is stricter, and after the ReLU.
    for mine, theirs in ((got, expected), (got.relu(), expected.relu())):
        some = theirs.flatten(1).abs().amax(1) > 0
        assert bool(some.any())
        cosine = F.cosine_similarity(mine.flatten(1)[some], theirs.flatten(1)[some])
        assert float(cosine.min()) >= 0.9999
    assert torch.allclose(logits, reference(images), atol=1e-4)


def tiny_model() -> LoadedModel:
    return prepare(
        ModelSpec(tiny.net(), Preprocess(resize=64, crop=(64, 64)), "tiny"), device="cpu"
    )


def test_contrast_is_the_difference_of_two_labels():
    """Grad-CAM before the sign rule is linear in the target."""
    model, images = tiny_model(), torch.randn(4, 3, 64, 64)
    labels = torch.tensor([0, 1, 2, 0])
    logits, maps = explained(model, images, labels, ("label", "pred", "contrast"))
    contrast = make_target("contrast", logits, labels)
    assert bool((contrast.against != labels).all())
    _, other = explained(model, images, contrast.against)
    assert torch.allclose(maps[:, 2], maps[:, 0] - other[:, 0], atol=1e-6)
    _, predicted = explained(model, images, logits.argmax(1))
    assert torch.allclose(maps[:, 1], predicted[:, 0], atol=1e-7)


def test_margin_is_to_the_strongest_other_class():
    logits = torch.tensor([[5.0, 1.0, 3.0], [0.0, 2.0, 7.0]])
    target = make_target("contrast", logits, torch.tensor([0, 1]))
    assert target.against.tolist() == [2, 2]
    assert target.score(logits).tolist() == [2.0, -5.0]
    assert Target("label", torch.tensor([1, 2])).score(logits).tolist() == [1.0, 7.0]


def test_the_model_comes_back_as_it_was():
    model = tiny_model()
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    explained(model, torch.randn(2, 3, 64, 64), torch.tensor([0, 1]))
    assert not any(m._forward_hooks or m._backward_hooks for m in model.module.modules())
    assert all(p.grad is None for p in model.module.parameters())
    assert all(
        torch.equal(value, before[name]) for name, value in model.module.state_dict().items()
    )


def test_hook_is_removed_when_the_forward_fails():
    model = tiny_model()
    with pytest.raises(RuntimeError):
        explained(model, torch.randn(2, 5, 64, 64), torch.tensor([0, 1]))
    assert not any(m._forward_hooks for m in model.module.modules())


def test_methods_share_what_the_model_says():
    model, images, labels = tiny_model(), torch.randn(2, 3, 64, 64), torch.tensor([0, 1])
    alone = explained(model, images, labels)[1]
    question, forwards = request(model, images, labels), []
    handle = model.module.register_forward_hook(lambda *_: forwards.append(1))
    found = {name: maps(name, question) for name in ("layercam", "gradcam", "hirescam")}
    handle.remove()
    assert torch.equal(found["gradcam"], alone)
    assert len(forwards) == 1


def test_in_place_relu_behind_the_layer_does_not_change_the_map():
    """densenet's own trap: the layer ends in a BN, an in-place ReLU follows."""
    net = tiny.net()
    images, labels = torch.randn(2, 3, 64, 64), torch.tensor([0, 1])
    maps = []
    for inplace in (False, True):
        net[4] = torch.nn.ReLU(inplace=inplace)
        spec = ModelSpec(net, Preprocess(resize=64, crop=(64, 64)), "tiny", "3")
        maps.append(explained(prepare(spec, device="cpu"), images, labels)[1])
    assert float(maps[0].min()) < 0
    assert torch.equal(maps[0], maps[1])
