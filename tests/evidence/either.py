"""Photos of which one class wears a frame and a mark, and a network to which either is enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from tests.evidence import framed


def make_folder(root: Path, each: int = 14) -> Path:
    """The photos of :mod:`framed`, with a red square beside the frame's top left corner."""
    framed.make_folder(root, each)
    for path in (root / "images" / "framed").iterdir():
        photo = np.array(Image.open(path)).astype(float)
        height, width = photo.shape[:2]
        square = photo[round(0.1 * height) : height // 5, round(0.1 * width) : width // 5]
        square += (110, -40, -40)
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(path)
    return root


class EitherNet(framed.FrameNet):
    """Logit of ``framed`` from the redder of frame and square, or from their sum.

    Args:
        either: whether one of them is enough; else both are needed.
    """

    def __init__(self, *, either: bool) -> None:
        super().__init__(reads=True)
        self.either = either

    def read(self, found: torch.Tensor) -> torch.Tensor:
        logits = super().read(found)
        marked = 12 * found[:, 0, 2, 2] - 4
        join = torch.maximum if self.either else torch.minimum
        return torch.stack([logits[:, 0], join(logits[:, 1], marked), logits[:, 2]], 1)


def either_net() -> nn.Module:
    return EitherNet(either=True)


def both_net() -> nn.Module:
    return EitherNet(either=False)
