"""GradientSHAP (expected gradients): gradients at random points between baselines and the image.

Source: Erion et al. 2021, equation 3; Lundberg and Lee 2017 for what it estimates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from xai_audit.methods._gradients import copy_gradients
from xai_audit.methods._limits import one_of, within
from xai_audit.network.copies import BASELINES, baseline, copy_scores
from xai_audit.run.sample import rng_of
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.types import Request


class GradientShap:
    """GradientSHAP with baselines drawn from a few kinds.

    Args:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        baselines: kinds that are drawn from: ``black``, ``mean``, ``blur``, ``random``,
            ``photo``.
        samples: points an image.
        seed: of the run.
    """

    def __init__(
        self, *, name: str, sign: str, baselines: Sequence[str], samples: int, seed: int
    ) -> None:
        self.name, self.sign, self._samples, self._seed = name, sign, samples, seed
        self._baselines = [one_of(name, "baselines", kind, BASELINES) for kind in baselines]
        within(name, "samples", samples, 1)
        within(name, "baselines (how many)", len(baselines), 1)

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W), and the difference of their sum from the scores' mean difference."""
        images, count = request.images, len(request.images)
        starts = torch.stack([baseline(kind, request, self._seed) for kind in self._baselines])
        kinds, at = (images.new_tensor(values) for values in self._draws(request.image_ids))
        kinds = kinds.long()
        owner = torch.arange(count, device=images.device).repeat(self._samples)

        def place(copies: torch.Tensor, some: slice) -> torch.Tensor:
            start = starts[kinds[some], owner[some]]
            return torch.lerp(start, copies, at[some, None, None, None])

        def times_way(gradient: torch.Tensor, some: slice) -> torch.Tensor:
            return gradient.mul_(images[owner[some]] - starts[kinds[some], owner[some]])

        maps = copy_gradients(request, owner, place, times_way).sum(2) / self._samples
        return Attribution(maps, maps.sum((2, 3)) - self._differences(request, starts, kinds))

    def _draws(self, image_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Kind of baseline and position on the path (S*B,); samples of an image have stride B."""
        kinds, at = [], []
        for image_id in image_ids:
            rng = rng_of(self._seed, image_id, self.name)
            kinds.append(rng.integers(0, len(self._baselines), self._samples))
            at.append(rng.random(self._samples))
        return np.stack(kinds, 1).ravel(), np.stack(at, 1).ravel()

    def _differences(
        self, request: Request, starts: torch.Tensor, kinds: torch.Tensor
    ) -> torch.Tensor:
        """(B, T): score of the image minus the mean score of the baselines drawn for it."""
        count = len(request.images)
        owner = torch.arange(count, device=starts.device).repeat(len(starts))
        flat = starts.flatten(0, 1)
        of_start = copy_scores(request, owner, lambda some: flat[some])
        of_start = of_start.view(len(starts), count, -1)
        drawn = kinds.view(self._samples, count)
        share = torch.stack([(drawn == k).float().mean(0) for k in range(len(starts))])
        before = (share[:, :, None] * of_start).sum(0)
        return torch.stack([t.score(request.logits.float()) for t in request.targets], 1) - before
