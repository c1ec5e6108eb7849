"""SmoothGrad: the gradient averaged over noisy copies of the image.

Source: Smilkov et al. 2017, section 3. Gradients are averaged with their signs, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.methods._gradients import copy_gradients
from xai_audit.methods._limits import within
from xai_audit.network.copies import normal
from xai_audit.run.sample import seed_of
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from xai_audit.types import Request


@dataclass(frozen=True)
class SmoothGrad:
    """The mean gradient's magnitude, a value a pixel.

    Attributes:
        name: of the method.
        sign: ``absolute``; the map has no negative value, so it changes nothing.
        samples: noisy copies an image.
        noise: standard deviation, as a share of the image's range.
        seed: of the run.
    """

    name: str
    sign: str
    samples: int
    noise: float
    seed: int

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: one out of its range.
        """
        within(self.name, "samples", self.samples, 1)
        within(self.name, "noise", self.noise, 0)

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W)."""
        images = request.images
        owner = torch.arange(len(images), device=images.device).repeat(self.samples)
        spread = self.noise * (images.amax((1, 2, 3)) - images.amin((1, 2, 3)))
        numbers = range(len(owner))

        def disturb(copies: torch.Tensor, some: slice) -> torch.Tensor:
            for copy, number in zip(copies, numbers[some], strict=True):
                sample, image = divmod(number, len(images))
                seed = seed_of(self.seed, request.image_ids[image], self.name, sample)
                copy.add_(normal(copy, seed) * spread[image])
            return copies

        total = copy_gradients(request, owner, disturb, lambda g, _: g)
        return Attribution((total / self.samples).abs().sum(2))
