"""Integrated gradients: the gradient along the straight path from a baseline to the image.

Source: Sundararajan, Taly and Yan 2017, equation 1; the integral by Gauss-Legendre quadrature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from xai_audit.methods._gradients import copy_gradients
from xai_audit.methods._limits import one_of, within
from xai_audit.network.copies import BASELINES, baseline, copy_scores
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from xai_audit.types import Request


class IntegratedGradients:
    """Integrated gradients.

    Args:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        baseline: ``black``, ``mean``, ``blur``, ``random`` or ``photo``.
        steps: points of the quadrature.
        seed: of the run.
    """

    def __init__(self, *, name: str, sign: str, baseline: str, steps: int, seed: int) -> None:
        self.name, self.sign, self._steps, self._seed = name, sign, steps, seed
        self._baseline = one_of(name, "baseline", baseline, BASELINES)
        within(name, "steps", steps, 1)

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W), and how far their sum is from score(image) - score(baseline)."""
        images, start = request.images, baseline(self._baseline, request, self._seed)
        way = images - start
        points, weights = np.polynomial.legendre.leggauss(self._steps)
        at = images.new_tensor((points + 1) / 2).repeat_interleave(len(images))
        weight = images.new_tensor(weights / 2).repeat_interleave(len(images))
        owner = torch.arange(len(images), device=images.device).repeat(self._steps)

        def place(copies: torch.Tensor, some: slice) -> torch.Tensor:
            return torch.lerp(start[owner[some]], copies, at[some, None, None, None])

        total = copy_gradients(
            request, owner, place, lambda g, some: g.mul_(weight[some, None, None, None])
        )
        maps = (total * way[:, None]).sum(2)
        everyone = torch.arange(len(images), device=images.device)
        before = copy_scores(request, everyone, lambda some: start[some])
        after = torch.stack([t.score(request.logits.float()) for t in request.targets], 1)
        return Attribution(maps, maps.sum((2, 3)) - (after - before))
