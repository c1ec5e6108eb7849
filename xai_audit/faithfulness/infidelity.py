"""Infidelity: the change of score, when squares are removed, that the map's sums do not predict.

Source: Yeh et al. 2019, "On the (in)fidelity and sensitivity of explanations", equation 1 with
square removal and the best scaling of the map. A map's value is taken as the contribution of its
pixel, so that the sum over a square replaces the product with what was removed. The scaling must
not be negative, and the error is given as a share, so that methods can be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.network.baseline import baseline
from xai_audit.network.copies import copy_scores
from xai_audit.network.seeds import rng_of

if TYPE_CHECKING:
    from xai_audit.types import Request

# Squares an image; sides as shares of the shorter side.
SQUARES = 24
_SIDES = (1 / 8, 1 / 2)


def infidelity(request: Request, maps: torch.Tensor, *, seed: int) -> torch.Tensor:
    """Share (B,) of the squared changes of score left unexplained by the map, 0..1.

    With a the map's sum in a square and d the fall of the score when the square is painted in
    the model's mean colour: min over b >= 0 of mean (b a - d)^2, over mean d^2. A map that
    predicts the opposite gets 1. NaN where nothing changes or the map is empty.

    Args:
        request: of one target.
        maps: (B, h, w) signed attribution.
        seed: of the run.
    """
    height, width = request.images.shape[2:]
    pixels = F.interpolate(maps[:, None].float(), (height, width), mode="bilinear")[:, 0].double()
    squares = squares_of(request, seed)
    inside = torch.stack(
        [pixels[image, y : y + side, x : x + side].sum() for image, y, x, side in squares]
    ).view(len(maps), SQUARES)
    plain = baseline("mean", request, seed)

    def make(some: slice) -> torch.Tensor:
        copies = request.images[owner[some]]
        for copy, (image, y, x, side) in zip(copies, squares[some], strict=True):
            copy[:, y : y + side, x : x + side] = plain[image, :, y : y + side, x : x + side]
        return copies

    owner = torch.arange(len(maps), device=maps.device).repeat_interleave(SQUARES)
    before = request.targets[0].score(request.logits.float()).double()
    falls = before[:, None] - copy_scores(request, owner, make)[:, 0].double().view_as(inside)
    together = (inside * falls).mean(1).clamp(min=0)
    sizes = (inside**2).mean(1) * (falls**2).mean(1)
    return torch.where(sizes > 0, 1 - together**2 / sizes, torch.nan)


def squares_of(request: Request, seed: int) -> list[tuple[int, int, int, int]]:
    """(image, y, x, side) px of each image's squares, drawn by its id."""
    height, width = request.images.shape[2:]
    sides = [max(round(share * min(height, width)), 1) for share in _SIDES]
    found = []
    for image, image_id in enumerate(request.image_ids):
        rng = rng_of(seed, image_id, "squares")
        for side in rng.integers(sides[0], sides[1], SQUARES, endpoint=True).tolist():
            y, x = (int(rng.integers(0, size - side, endpoint=True)) for size in (height, width))
            found.append((image, y, x, side))
    return found
