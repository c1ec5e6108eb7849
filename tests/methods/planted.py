"""ViT-B/16 and Swin-T in which one patch decides, because their weights are made so.

The first two channels of every token hold what two matched filters say of its pixels; no block
writes into them, the others stay random. The outputs are those two channels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torchvision import models
from torchvision.models.swin_transformer import PatchMerging, SwinTransformerBlock

PATCH = 32


def stripes(kind: int, side: int) -> torch.Tensor:
    """(3, side, side): upright stripes of one pixel, or level ones."""
    y, x = np.mgrid[:side, :side]
    return torch.from_numpy(4.0 * ((y if kind else x) % 2) - 2).float().expand(3, side, side)


def photos(count: int) -> tuple[torch.Tensor, torch.Tensor, list[tuple[int, int]]]:
    """Noise (N, 3, 224, 224) with a striped patch, the labels, and each patch's corner."""
    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.normal(0, 0.3, (count, 3, 224, 224)).astype(np.float32))
    corners = [(int(y), int(x)) for y, x in 2 * rng.integers(0, (224 - PATCH) // 2, (count, 2))]
    for number, (y, x) in enumerate(corners):
        images[number, :, y : y + PATCH, x : x + PATCH] = stripes(number % 2, PATCH)
    return images, torch.arange(count) % 2, corners


def vit() -> nn.Module:
    """The last block's first head looks everywhere alike and carries both channels to the class."""
    torch.manual_seed(0)
    net = models.vit_b_16(weights=None, num_classes=2)
    _see(net.conv_proj, 60.0)
    for block in net.encoder.layers:
        _silence(block.self_attention.out_proj)
        _silence(block.mlp[3])
    net.encoder.pos_embedding.data[..., :2] = 0
    net.class_token.data[..., :2] = 0
    last, width = net.encoder.layers[-1].self_attention, net.hidden_dim
    queries, keys, values = last.in_proj_weight.data.split(width)
    queries[:64] = keys[:64] = 0
    values[:2] = torch.eye(2, width)
    last.out_proj.weight.data[:2] = 40 * torch.eye(2, width)
    net.heads.head.weight.data[:] = torch.eye(2, width)
    return net


def swin() -> nn.Module:
    """Merging adds the two channels of four neighbours."""
    torch.manual_seed(0)
    net = models.swin_t(weights=None, num_classes=2)
    _see(net.features[0][0], 30.0)
    for module in net.modules():
        if isinstance(module, SwinTransformerBlock):
            _silence(module.attn.proj)
            _silence(module.mlp[3])
        if isinstance(module, PatchMerging):
            weight = module.reduction.weight.data.mul_(20)
            weight[:2] = torch.eye(2, weight.shape[1] // 4).repeat(1, 4)
    net.head.weight.data[:] = torch.eye(2, net.head.in_features)
    return net


def _see(patches: nn.Conv2d, gain: float) -> None:
    """The filters of both stripes; elsewhere layer norms have something else to go by."""
    patches.bias.data.normal_(0, 5)
    for kind in (0, 1):
        look = stripes(kind, patches.kernel_size[0])
        patches.weight.data[kind] = gain * look / (look**2).sum()
        patches.bias.data[kind] = 0


def _silence(layer: nn.Linear) -> None:
    layer.weight.data[:2] = 0
    layer.bias.data[:2] = 0
