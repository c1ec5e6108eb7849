"""Models of which it is known what flips, turns and crops change, and photos for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from tests.methods.asking import method
from xai_audit.augmentation.augmenter import Augmenter
from xai_audit.network.inputs import AdaptiveBatch
from xai_audit.network.prepare import prepare
from xai_audit.score.rows import Scorer
from xai_audit.types import Attributor, ImageRecord, ModelSpec, Preprocess
from xai_audit.vision.loader import Batch

SIDE, CORNER = 32, 8
# Pixels as 0..1.
PREPROCESS = Preprocess(resize=None, crop=(SIDE, SIDE), mean=(0.0,) * 3, std=(1.0,) * 3)


class MeanColour(nn.Module):
    """Logits from the mean colour alone: no pixel knows where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.look, self.head = nn.Conv2d(3, 4, 1, bias=False), nn.Linear(4, 3, bias=False)
        for weights in self.parameters():
            numbers = np.random.default_rng(weights.numel()).uniform(0, 1, weights.shape)
            weights.data = torch.from_numpy(numbers).float()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.look(images).mean((2, 3)))


class Corner(nn.Module):
    """Dark (0) or bright (1) by the top left corner alone."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 2, 1)
        self.look.weight.data = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).repeat(1, 3, 1, 1) / 3
        self.look.bias.data = torch.tensor([1.0, 0.0])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.look(images)[..., :CORNER, :CORNER].mean((2, 3))


class NotFinite(MeanColour):
    """The same, without an answer to photos that are brighter on the left."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        left, right = (half.mean((1, 2, 3)) for half in images.chunk(2, dim=3))
        return super().forward(images) / torch.where(left > right, torch.nan, 1.0)[:, None]


def batch(count: int = 12, *, masks: bool = True) -> Batch:
    """Photos of random blocks of 8 px whose object is the middle quarter."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (count, 3, SIDE // 8, SIDE // 8), dtype=np.uint8)
    photos = torch.from_numpy(blocks.repeat(8, 2).repeat(8, 3))
    coverage = torch.zeros(count, 2, SIDE, SIDE, dtype=torch.uint8)
    coverage[:, 0, 8:24, 8:24] = 255
    coverage[:, 1] = 255 - coverage[:, 0]
    names = [f"blocks/{number}.png" for number in range(count)]
    return Batch(
        records=[ImageRecord(name, name, "blocks", 0, SIDE, SIDE) for name in names],
        photos=photos,
        coverage=coverage if masks else None,
        mask_status=["ok" if masks else "none"] * count,
        problems={"blocks/lost.png": ("unreadable", "cut off")},
    )


def augmenter(
    module: nn.Module,
    augmentations: Sequence[tuple[str, float]],
    *,
    by: str | None = "hirescam",
    batch_size: int = 16,
) -> Augmenter:
    spec = ModelSpec(module.eval(), PREPROCESS, "known", "look" if by else None)
    model = prepare(spec, device="cpu")
    made: Attributor | None = None if by is None else method(by)
    scorer = Scorer(preprocess=PREPROCESS, border=0.125, corner=CORNER / SIDE, device="cpu")
    adaptive = AdaptiveBatch(batch_size)
    return Augmenter(model, made, "pred", augmentations, scorer, seed=0, adaptive=adaptive)
