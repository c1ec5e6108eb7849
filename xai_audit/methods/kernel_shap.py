"""KernelSHAP: Shapley values of superpixels by least squares under the efficiency constraint.

Source: Lundberg and Lee 2017, theorem 2; coalitions drawn with the Shapley kernel and in pairs of
complements (Covert and Lee 2021, section 4.2), the constraint solved for exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from xai_audit.methods._coalitions import SampledPieceMethod
from xai_audit.run.sample import rng_of
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Request

# Penalty on the squared coefficients: just enough to make few samples solvable.
_RIDGE = 1e-6


@dataclass(frozen=True, kw_only=True)
class KernelShap(SampledPieceMethod):
    """KernelSHAP; of the ``samples`` copies an image, the whole and the empty one among them."""

    least = 4

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W): a superpixel's value, shared by its pixels; they add up exactly."""
        cut = self.cut(request)
        kept, scores = cut.scores(request, self.draw)
        values = [shapley(z, y) for z, y in zip(kept, scores, strict=True)]
        maps = cut.spread(values)
        change = scores[:, 0] - scores[:, 1]
        return Attribution(maps, maps.sum((2, 3)) - change)

    def draw(self, image_id: str, pieces: int) -> NDArray[np.bool_]:
        """(S, F): all, none, then coalitions whose sizes follow the Shapley kernel, in pairs."""
        rng = rng_of(self.seed, image_id, self.name)
        drawn = np.zeros((self.samples, pieces), dtype=bool)
        drawn[0] = True
        sizes = np.arange(1, pieces)
        if not len(sizes):
            return drawn
        weight = 1 / (sizes * (pieces - sizes))
        for row in range(2, self.samples, 2):
            size = rng.choice(sizes, p=weight / weight.sum())
            drawn[row, rng.permutation(pieces)[:size]] = True
            if row + 1 < self.samples:
                drawn[row + 1] = ~drawn[row]
        return drawn


def shapley(kept: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Values (T, F) float64 that add up to the change from nothing (row 1) to all (row 0).

    Args:
        kept: (S, F) 0 or 1, drawn with the Shapley kernel from row 2 on.
        scores: (S, T).
    """
    z, y = kept[2:].double(), scores.double()
    whole, nothing = y[0], y[1]
    change = whole - nothing
    pieces = z.shape[1]
    # The last value is the change minus all other values.
    design = z[:, :-1] - z[:, -1:]
    wanted = y[2:] - nothing - z[:, -1:] * change
    scale = max(len(z), 1)
    gram = design.T @ design / scale + _RIDGE * torch.eye(pieces - 1).to(z)
    first = torch.linalg.solve(gram, design.T @ wanted / scale)
    return torch.cat([first, (change - first.sum(0))[None]]).T
