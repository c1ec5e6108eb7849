"""Models and methods that do what they should not, for the command to answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tests import tiny
from xai_audit.types import Attribution


class Around(nn.Module):
    """The small network, with something done to its images or logits."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body = tiny.net(classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images)


class InPlace(Around):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images.mul_(0.5).sub_(0.1))


class OutOfPlace(Around):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images.mul(0.5).sub(0.1))


class SharedActivation(Around):
    """One activation module in all places, the last one included."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__(classes)
        self.body[4] = self.body[2] = nn.Softplus()


class Constant(Around):
    """The same logits for every image; a gradient of 0 everywhere."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 0 * self.body(images) + torch.tensor([2.0, 1.0, 0.0])


class Held(Around):
    """The logits in a dict, another row of numbers before them."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"mean": images.mean((2, 3)), "logits": self.body(images)}


class Leaving(Around):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 1:
            raise SystemExit(3)
        return self.body(images)


def probabilities(photos: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """What another framework gives: probabilities (B, 3) of photos (B, H, W, 3) uint8."""
    assert photos.dtype == np.uint8
    assert photos.shape[1:] == (64, 64, 3)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    images = torch.from_numpy((photos / 255 - mean) / std).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        return (tiny.net().eval()(images) / temperature).softmax(1).numpy()


def thousand() -> nn.Module:
    """A thousand outputs, of which a dataset's classes are never the strongest rival."""
    net = Around(1000)
    with torch.no_grad():
        net.body[-1].bias[:3] -= 50
    return net


def lazy() -> nn.Module:
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )


@dataclass
class Odd:
    """A method that answers in the wrong way."""

    name: str
    sign: str
    way: str

    def attribute(self, asked):
        maps = torch.rand(len(asked.images), len(asked.targets), 4, 4)
        if self.way == "raises":
            raise KeyError("on purpose")
        odd = {"bare": maps, "none": None, "numpy": Attribution(maps.numpy())}
        odd |= {"narrow": Attribution(maps[0]), "zero": Attribution(0 * maps)}
        odd |= {"error": Attribution(maps, torch.zeros(1, 99)), "good": Attribution(maps)}
        return odd[self.way]
