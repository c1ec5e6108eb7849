"""LIME: a ridge regression of the score on the superpixels kept, weighted by similarity.

Source: Ribeiro, Singh and Guestrin 2016, section 3; the kernel, the ridge and the sampling are
those of the ``lime`` package's image explainer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from xai_audit.methods._coalitions import SampledPieceMethod, ridge
from xai_audit.run.sample import rng_of
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Request

# The package's width of the exponential kernel on cosine distance, and its ridge penalty.
_KERNEL_WIDTH, _RIDGE = 0.25, 1.0


@dataclass(frozen=True, kw_only=True)
class Lime(SampledPieceMethod):
    """LIME; of the ``samples`` copies an image, the untouched one among them."""

    least = 2

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W): a superpixel's coefficient, shared by its pixels."""
        cut = self.cut(request)
        kept, scores = cut.scores(request, self.draw)
        values = [ridge(z, y, nearness(z), _RIDGE)[0] for z, y in zip(kept, scores, strict=True)]
        return Attribution(cut.spread(values))

    def draw(self, image_id: str, pieces: int) -> NDArray[np.bool_]:
        """(S, F): each superpixel stays with probability 1/2; the first copy is whole."""
        drawn = rng_of(self.seed, image_id, self.name).random((self.samples, pieces)) < 0.5
        drawn[0] = True
        return drawn


def nearness(kept: torch.Tensor) -> torch.Tensor:
    """(S,) float64 weights of coalitions (S, F), higher the more similar to the whole image."""
    share = kept.double().mean(1)
    distance = 1 - share.sqrt()  # cosine distance to all ones
    return torch.exp(-(distance**2) / _KERNEL_WIDTH**2).sqrt()
