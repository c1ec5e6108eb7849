"""Networks whose batch norms and weights look trained, small enough for slow references."""

from __future__ import annotations

import torch
from torchvision import models


def trained_looking(name: str, classes: int = 5, **extra: object) -> torch.nn.Module:
    """A torchvision network with shaken batch norms: fresh ones would hide folding's errors."""
    torch.manual_seed(3)
    net = models.get_model(name, weights=None, num_classes=classes, **extra).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.7, 1.3)
    return net
