"""Batches made by hand and models whose smallest changes are known."""

from __future__ import annotations

import time

import torch
from torch import nn

from tests import tiny
from xai_audit.adversarial.attacker import Attacker
from xai_audit.adversarial.search import Settings
from xai_audit.network.prepare import prepare
from xai_audit.score.rows import Scorer
from xai_audit.types import ImageRecord, LoadedModel, ModelSpec, Preprocess
from xai_audit.vision.loader import Batch

SIDE = 32
PREPROCESS = Preprocess(resize=None, crop=(SIDE, SIDE))
SETTINGS = Settings(most=8.0, steps=10, seed=0)


class Linear(nn.Module):
    """Logits (0, w . x + b) of normalised images x."""

    def __init__(self, weight: torch.Tensor, bias: float) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(torch.tensor(bias))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        score = (images * self.weight).sum((1, 2, 3)) + self.bias
        return torch.stack([torch.zeros_like(score), score], 1)


def loaded(module: nn.Module, preprocess: Preprocess = PREPROCESS) -> LoadedModel:
    """``module`` frozen, without what preparing one for heatmaps asks for."""
    module = module.eval().requires_grad_(False)
    return LoadedModel(module, preprocess, "", 2, (1, 1), "cpu")


def prepared(module: nn.Module) -> LoadedModel:
    """``module`` as a run makes it ready."""
    return prepare(ModelSpec(module, PREPROCESS, "tiny"), device="cpu")


def batch(count: int = 4, *, masks: bool = True, level: tuple[int, int] = (80, 170)) -> Batch:
    """Noise whose object is the middle quarter; no pixel so dark or bright that it is clamped."""
    generator = torch.Generator().manual_seed(0)
    photos = torch.randint(*level, (count, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    coverage = torch.zeros(count, 2, SIDE, SIDE, dtype=torch.uint8)
    coverage[:, 0, 8:24, 8:24] = 255
    coverage[:, 1] = 255 - coverage[:, 0]
    names = [f"noise/{number}.png" for number in range(count)]
    return Batch(
        records=[ImageRecord(name, name, "noise", 0, SIDE, SIDE) for name in names],
        photos=photos,
        coverage=coverage if masks else None,
        mask_status=["ok" if masks else "none"] * count,
        problems={},
    )


def attacker(
    model: LoadedModel, *, batch_size: int = 8, settings: Settings = SETTINGS, **more: float
) -> Attacker:
    regions = {"border": 0.125, "corner": 0.25} | more
    scorer = Scorer(preprocess=model.preprocess, device="cpu", **regions)
    return Attacker(model, scorer, settings, batch_size=batch_size, check=lambda: None)


def slow() -> nn.Module:
    """The usual network, held up a little at every forward."""

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tiny.net()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            time.sleep(0.004)
            return self.body(images)

    return Slow()


def detached() -> nn.Module:
    """The usual network without a gradient by its input."""

    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tiny.net()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.body(images).detach()

    return Detached()
