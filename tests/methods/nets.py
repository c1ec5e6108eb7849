"""Networks whose batch norms and weights look trained, small enough for slow references."""

from __future__ import annotations

import torch
from torchvision import models

from tests import tiny


def trained_looking(name: str, classes: int = 5, **extra: object) -> torch.nn.Module:
    """A torchvision network with shaken batch norms: fresh ones would hide folding's errors."""
    torch.manual_seed(3)
    net = models.get_model(name, weights=None, num_classes=classes, **extra).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.7, 1.3)
    return net


def small_vit() -> torch.nn.Module:
    """4 x 4 patches of 64 px, three blocks."""
    torch.manual_seed(0)
    net = models.VisionTransformer(
        image_size=64, patch_size=16, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=64,
        num_classes=3,
    ).eval()  # fmt: skip
    torch.nn.init.normal_(net.heads.head.weight)
    for block in net.encoder.layers:  # attention that is not nearly uniform
        block.self_attention.in_proj_weight.data *= 4
    return net


class Cramped(torch.nn.Module):
    """A network on a device whose memory holds two images."""

    def __init__(self, body: torch.nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 2:
            raise torch.OutOfMemoryError(f"out of memory at {len(images)} images")
        return self.body(images)


def cramped_net() -> torch.nn.Module:
    return Cramped(tiny.net())


def cramped_vit() -> torch.nn.Module:
    return Cramped(small_vit())
