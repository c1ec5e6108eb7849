"""A small ConvNeXt, trained from scratch on a scenario's photos: the second family of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torchvision.models import ConvNeXt
from torchvision.models.convnext import CNBlockConfig

from tests.bench.planted.scenario import CONVNEXT, SIDES
from tests.bench.planted.train import view

if TYPE_CHECKING:
    import numpy as np

_BATCH, _RATE, _DECAY, _SMOOTHING = 16, 2e-3, 0.05, 0.05
# Photos are moved by so many px, and varied in light by this standard deviation.
_SHIFT, _LIGHT = 4, 0.1


def network(num_classes: int) -> nn.Module:
    """The architecture, 0.3 M parameters; the audit builds it again as ``model.factory``."""
    blocks = [CNBlockConfig(32, 64, 1), CNBlockConfig(64, 128, 2), CNBlockConfig(128, None, 1)]
    # Torchvision starts each block at a millionth: too little for a training of half a minute.
    model = ConvNeXt(blocks, num_classes=num_classes, layer_scale=1.0)
    # A mean over all places hides a small mark from a net that has not learned of it yet.
    model.avgpool = nn.AdaptiveMaxPool2d(1)
    return model


def trained(photos: list[np.ndarray], labels: list[int], *, seed: int, epochs: int) -> nn.Module:
    """The network, in eval mode, after it has learned ``labels`` 0 to K - 1 from nothing."""
    torch.manual_seed(seed)
    model = network(max(labels) + 1).train()
    inputs, wanted = view(photos, SIDES[CONVNEXT]), torch.tensor(labels)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=_DECAY)
    steps = epochs * -(-len(inputs) // _BATCH)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=0.2)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs), generator=generator).split(_BATCH):
            logits = model(_varied(inputs[batch], generator))
            loss = nn.functional.cross_entropy(logits, wanted[batch], label_smoothing=_SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            plan.step()
    return model.eval()


def _varied(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """``inputs`` (B, 3, H, W) moved a little and brighter or darker, as one photographs.

    Neither flipped nor cut: a text stays in its corner, and a cast is not a change of all colours.
    """
    down, right = torch.randint(-_SHIFT, _SHIFT + 1, (2,), generator=generator).tolist()
    height, width = inputs.shape[2:]
    padded = nn.functional.pad(inputs, (_SHIFT,) * 4, mode="replicate")
    top, left = _SHIFT + down, _SHIFT + right
    moved = padded[..., top : top + height, left : left + width]
    return moved + _LIGHT * torch.randn(len(inputs), 1, 1, 1, generator=generator)
