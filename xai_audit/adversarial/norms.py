"""Norms of changes of a photo: size, steepest direction, projection onto a ball.

Both norms are in grey levels (0..255): the largest change of a value, and the root mean square
change, so that one budget fits both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

# Below it a gradient counts as none; far below anything that float32 resolves.
_TINY = 1e-30


class Norm(Protocol):
    """A norm of changes (B, C, H, W) of photos."""

    def size(self, change: torch.Tensor) -> torch.Tensor:
        """(B,) float32, grey levels."""

    def steepest_direction(self, gradient: torch.Tensor) -> torch.Tensor:
        """The change of size 1 that lowers the loss most, by its ``gradient``; 0 if that is 0."""

    def within(self, change: torch.Tensor, budget: torch.Tensor) -> torch.Tensor:
        """The change of a size of at most ``budget`` (B,) that is nearest."""

    def start(self, like: torch.Tensor, budget: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """The first change of an attack within ``budget`` (B,), drawn with one seed per image."""


@dataclass(frozen=True)
class Largest:
    """L-infinity: no value changes by more."""

    def size(self, change: torch.Tensor) -> torch.Tensor:
        """The largest change of a value."""
        return change.abs().flatten(1).amax(1)

    def steepest_direction(self, gradient: torch.Tensor) -> torch.Tensor:
        """The sign of the negative gradient (Goodfellow et al. 2015)."""
        return -gradient.sign()

    def within(self, change: torch.Tensor, budget: torch.Tensor) -> torch.Tensor:
        """The change with each value clamped."""
        bound = column(budget)
        return torch.maximum(torch.minimum(change, bound), -bound)

    def start(self, like: torch.Tensor, budget: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """A uniform draw in the ball (Madry et al. 2018), on the CPU: the same on any device."""
        shape = like.shape[1:]
        drawn = [
            torch.empty(shape).uniform_(-1, 1, generator=torch.Generator().manual_seed(seed))
            for seed in seeds
        ]
        return torch.stack(drawn).to(like.device) * column(budget)


@dataclass(frozen=True)
class RootMeanSquare:
    """L2 over the root of the number of values: the change is largest where the gradient is."""

    def size(self, change: torch.Tensor) -> torch.Tensor:
        """The root mean square change of a value."""
        return change.flatten(1).square().mean(1).sqrt()

    def steepest_direction(self, gradient: torch.Tensor) -> torch.Tensor:
        """Against the gradient, which is first divided by its largest value: squares underflow."""
        scaled = gradient / column(gradient.abs().flatten(1).amax(1).clamp(min=_TINY))
        return -scaled / column(self.size(scaled).clamp(min=_TINY))

    def within(self, change: torch.Tensor, budget: torch.Tensor) -> torch.Tensor:
        """The change scaled down."""
        return change * column((budget / self.size(change).clamp(min=_TINY)).clamp(max=1))

    def start(self, like: torch.Tensor, budget: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
        """No change: noise would stay in the change and blur where its energy lies."""
        return torch.zeros_like(like)


LARGEST, ROOT_MEAN_SQUARE = Largest(), RootMeanSquare()


def column(values: torch.Tensor) -> torch.Tensor:
    """``values`` (B,) as (B, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
