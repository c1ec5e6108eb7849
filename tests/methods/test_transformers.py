"""Transformers: attention matrices and rollouts against a slow way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from tests import tiny
from tests.methods import planted
from tests.methods.asking import loaded, maps, request
from tests.methods.nets import small_vit
from xai_audit.errors import ModelError
from xai_audit.methods._transformer import Attention

ROLLOUTS = ("attention_rollout", "attention_gradient_rollout")


def slow_attention(net: nn.Module, image: torch.Tensor) -> list[np.ndarray]:
    """(heads, N, N) of each block, by asking each block's own module for its weights."""
    found = []

    def keep(module, args, kwargs, _):
        query = args[0]
        with torch.no_grad():
            weights = nn.MultiheadAttention.forward(
                module, query, query, query, need_weights=True, average_attn_weights=False
            )[1]
        found.append(weights[0].double().numpy())

    handles = [
        block.self_attention.register_forward_hook(keep, with_kwargs=True)
        for block in net.encoder.layers
    ]
    with torch.no_grad():
        net(image)
    for handle in handles:
        handle.remove()
    return found


def test_watching_changes_no_logit():
    net, images = small_vit().requires_grad_(False), torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        plain = net(images)
        with Attention() as attention:
            watched = net(images)
    assert torch.allclose(plain, watched, atol=1e-5)
    for image in range(3):
        slow = slow_attention(net, images[image : image + 1])
        for mine, theirs in zip(attention.matrices, slow, strict=True):
            np.testing.assert_allclose(mine[image].numpy(), theirs, atol=1e-5)


def test_rollout_is_the_product_of_half_attention_and_half_identity():
    net, images = small_vit(), torch.randn(2, 3, 64, 64)
    got = maps("attention_rollout", request(loaded(net, 64), images, torch.tensor([0, 1])))
    assert got.shape == (2, 1, 4, 4)
    for image in range(2):
        flow = np.eye(17)
        for weights in slow_attention(net, images[image : image + 1]):
            flow = (weights.mean(0) + np.eye(17)) / 2 @ flow
        np.testing.assert_allclose(got[image, 0].flatten().numpy(), flow[0, 1:], atol=1e-6)


def test_gradient_rollout_uses_each_targets_gradient():
    """The gradient at an attention matrix by finite differences of the score."""
    net, image = small_vit().requires_grad_(False), torch.randn(1, 3, 64, 64)
    question = request(loaded(net, 64), image, torch.tensor([1]), ("label", "contrast"))
    got = maps("attention_gradient_rollout", question)
    assert got.shape == (1, 2, 4, 4)
    net = net.double()
    with torch.enable_grad(), Attention() as attention:
        logits = net(image.double().requires_grad_())
    against = int(question.targets[1].against)
    for number, score in enumerate((logits[0, 1], logits[0, 1] - logits[0, against])):
        flow = torch.eye(17, dtype=torch.float64)
        gradients = torch.autograd.grad(score, attention.matrices, retain_graph=True)
        for matrix, gradient in zip(attention.matrices, gradients, strict=True):
            flow = flow + (matrix[0] * gradient[0]).clamp(min=0).mean(0) @ flow
        assert torch.allclose(got[0, number].flatten().double(), flow[0, 1:], atol=1e-4)


@pytest.mark.parametrize("name", ROLLOUTS)
def test_same_maps_whatever_the_batch(name):
    model, images = loaded(small_vit(), 64), torch.randn(5, 3, 64, 64)
    labels = torch.tensor([0, 1, 2, 0, 1])
    whole = maps(name, request(model, images, labels, ("label", "contrast")))
    parts = [
        maps(name, request(model, images[s], labels[s], ("label", "contrast"), max_batch=1))
        for s in (slice(0, 1), slice(1, 5))
    ]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-5)


@pytest.mark.parametrize("fused", [True, False])
def test_timm_with_and_without_fused_attention(fused):
    timm = pytest.importorskip("timm")
    net = timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=64).eval()
    for block in net.blocks:
        block.attn.fused_attn = fused
    with torch.no_grad(), Attention() as attention:
        net(torch.randn(2, 3, 64, 64))
    assert [tuple(matrix.shape) for matrix in attention.matrices] == [(2, 3, 17, 17)] * 12


@pytest.mark.parametrize("name", ROLLOUTS)
@pytest.mark.parametrize(
    ("make", "got"),
    [(lambda: tiny.net(), "no"), (lambda: models.swin_t(num_classes=3).eval(), "49")],
)
def test_a_model_without_attention_among_all_patches_is_refused(name, make, got):
    side = 64 if got == "no" else 224
    question = request(loaded(make(), side), torch.randn(1, 3, side, side), torch.tensor([0]))
    with pytest.raises(ModelError, match=rf"no attention among.*got attention over .*{got}.*tok"):
        maps(name, question)


@pytest.mark.parametrize("make", [planted.vit, planted.swin], ids=["vit_b_16", "swin_t"])
def test_gradcam_points_at_the_one_patch_that_decides(make):
    """Its peak lies within 15 px of the patch in at least 95 photos of 100."""
    model = loaded(make(), 224)
    images, labels, corners = planted.photos(20)
    question = request(model, images, labels, ("label", "contrast"), max_batch=20)
    assert bool((question.logits.argmax(1) == labels).all())
    bare = request(model, images.clamp(-0.3, 0.3), labels, ("contrast",), max_batch=20)
    assert float(bare.logits.diff(dim=1).abs().max()) < float(
        question.logits.diff(dim=1).abs().min()
    )
    drawn = nn.functional.interpolate(maps("gradcam", question), (224, 224), mode="bilinear")
    for target in (0, 1):
        hits = []
        for peak, (top, left) in zip(drawn[:, target].flatten(1).argmax(1), corners, strict=True):
            y, x = divmod(int(peak), 224)
            reach = planted.PATCH + 15
            hits.append(top - 15 <= y < top + reach and left - 15 <= x < left + reach)
        assert np.mean(hits) >= 0.95
