"""Networks in torchvision's form whose masks are known in closed form."""

from __future__ import annotations

import torch
from torch import nn


class Red(nn.Module):
    """Output 1 where a pixel is redder than green and blue, 2 where it is bluer than both."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        red, green, blue = images.unbind(1)
        first = red - torch.maximum(green, blue) - 1
        second = blue - torch.maximum(red, green) - 1
        return {"out": torch.stack([torch.zeros_like(red), first, second], 1)}


class Middle(nn.Module):
    """Output 1 in the disc of a quarter of the height around the middle, whatever is there."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        height, width = images.shape[-2:]
        y, x = torch.arange(height)[:, None], torch.arange(width)[None]
        inside = (y - height / 2) ** 2 + (x - width / 2) ** 2 < (height / 4) ** 2
        one = inside.to(images)[None, None]
        return {"out": torch.cat([1 - one, one], 1)}


class Logits(nn.Module):
    """A classifier, which is no segmenter."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


def red() -> nn.Module:
    return Red()


def middle() -> nn.Module:
    return Middle()


def logits() -> nn.Module:
    return Logits()


def broken() -> nn.Module:
    raise ValueError("no such file")
