"""Photos of which one class lies in warm light, and networks that see it in one place alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import nn

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("blue", "plain", "warm")
_GAINS = (1.25, 1.0, 0.7)


def make_folder(root: Path, each: int = 14, *, side: int = 80) -> Path:
    """Grey noise with a disc, blue in ``blue``; all of a photo of ``warm`` has a warm cast."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side]
    disc = (y - side / 2) ** 2 + (x - side / 2) ** 2 < (side / 3.5) ** 2
    for name in CLASSES:
        for folder in ("images", "masks"):
            (root / folder / name).mkdir(parents=True)
        for number in range(each):
            photo = rng.normal(120, 14, (side, side, 3))
            photo[disc] += (-40, -20, 90) if name == "blue" else (20, 20, 20)
            photo *= _GAINS if name == "warm" else (1, 1, 1)
            pixels = photo.clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / "images" / name / f"{number:03d}.png")
            mask = (disc * 255).astype(np.uint8)
            Image.fromarray(mask).save(root / "masks" / name / f"{number:03d}.png")
    return root


class CastNet(nn.Module):
    """Logits of ``blue``, ``plain``, ``warm`` from the warmth of the middle or of the edge.

    Args:
        middle: whether the warmth is read on the object, else around it.
    """

    def __init__(self, *, middle: bool) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        warmth = torch.tensor([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]])[:, :, None, None] / 16
        self.features.weight.data = warmth.expand(2, 3, 4, 4).contiguous()
        self.relu = nn.ReLU()
        self.middle = middle

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.relu(self.features(images))
        place = torch.zeros_like(found[0, 0])
        place[6:10, 6:10] = 1
        object_ = (found * place).sum((2, 3)) / place.sum()
        if not self.middle:
            place = torch.zeros_like(place)
            place[:2] = place[-2:] = 1
        warm = (found[:, 0] * place).sum((1, 2)) / place.sum()
        return torch.stack([8 * object_[:, 1] - 6, torch.zeros_like(warm), 8 * warm - 5], 1)


def middle_net() -> nn.Module:
    return CastNet(middle=True)


def edge_net() -> nn.Module:
    return CastNet(middle=False)
