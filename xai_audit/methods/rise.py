"""RISE: the mean of random masks, each weighted by the score of the masked image.

Source: Petsiuk, Das and Saenko 2018, equation 6 and section 3.2 (masks). The masks' mean is
subtracted (a covariance, not a plain mean), so that a constant score gives a map of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.methods._limits import within
from xai_audit.network.copies import copy_scores
from xai_audit.run.sample import rng_of
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from xai_audit.types import Request


@dataclass(frozen=True)
class Rise:
    """RISE.

    Attributes:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        samples: masks an image.
        cells: of a mask's grid, a side.
        keep: probability that a cell lets the image through.
        seed: of the run.
    """

    name: str
    sign: str
    samples: int
    cells: int
    keep: float
    seed: int

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: one out of its range.
        """
        within(self.name, "samples", self.samples, 1)
        within(self.name, "cells", self.cells, 1)
        within(self.name, "keep", self.keep, 0.01, 1)

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W)."""
        images, count = request.images, len(request.images)
        height, width = images.shape[2:]
        draws = [self._draw(image_id) for image_id in request.image_ids]
        owner = torch.arange(count, device=images.device).repeat_interleave(self.samples)
        numbers = range(len(owner))

        def masks(some: slice) -> torch.Tensor:
            made = [self._mask(draws, number, (height, width)) for number in numbers[some]]
            return torch.stack(made).to(images)

        scores = copy_scores(
            request, owner, lambda some: images[owner[some]].mul_(masks(some)[:, None])
        )
        scores = scores.view(count, self.samples, -1)
        scores = (scores - scores.mean(1, keepdim=True)).flatten(0, 1)
        maps = images.new_zeros((count, scores.shape[1], height * width))
        for start in range(0, len(owner), request.max_batch):
            some = slice(start, start + request.max_batch)
            flat = masks(some).flatten(1)
            maps.index_add_(0, owner[some], scores[some, :, None] * flat[:, None])
        return Attribution(maps.view(count, -1, height, width) / (self.samples * self.keep))

    def _draw(self, image_id: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Cells (S, c, c) and shifts (S, 2) 0..1 of the masks of an image."""
        rng = rng_of(self.seed, image_id, self.name)
        cells = rng.random((self.samples, self.cells, self.cells)) < self.keep
        return torch.from_numpy(cells).float(), torch.from_numpy(rng.random((self.samples, 2)))

    def _mask(
        self,
        draws: list[tuple[torch.Tensor, torch.Tensor]],
        number: int,
        size: tuple[int, int],
    ) -> torch.Tensor:
        """(H, W): the cells upsampled to a cell more than the image, cropped at a random place."""
        image, sample = divmod(number, self.samples)
        cells, shift = draws[image][0][sample], draws[image][1][sample]
        step = [-(-side // self.cells) for side in size]
        large = [(self.cells + 1) * one for one in step]
        up = F.interpolate(cells[None, None], large, mode="bilinear", align_corners=False)[0, 0]
        y, x = (int(share * one) for share, one in zip(shift.tolist(), step, strict=True))
        return up[y : y + size[0], x : x + size[1]]
