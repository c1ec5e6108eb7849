"""Infidelity and sensitivity of a map (Yeh et al. 2019).

Source: "On the (in)fidelity and sensitivity of explanations". Infidelity is the change of score,
when squares are removed, that the map's sums do not predict: equation 1 with square removal and the
best scaling of the map. A map's value is taken as the contribution of its pixel, so that the sum
over a square replaces the product with what was removed. The scaling must not be negative, and the
error is given as a share, so that methods can be compared.
Sensitivity is how much the map changes when the photo changes invisibly little: max-sensitivity
from a few draws, a lower bound of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.network.copies import baseline, copy_scores, pixels
from xai_audit.run.sample import rng_of, seed_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import Request

# Squares an image; sides as shares of the shorter side.
SQUARES = 24
_SIDES = (1 / 8, 1 / 2)
# Copies, and the largest change of a pixel of 0..255.
COPIES, REACH = 3, 2.0


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


def sensitivity(
    request: Request,
    maps: torch.Tensor,
    explain: Callable[[torch.Tensor], torch.Tensor],
    *,
    seed: int,
) -> torch.Tensor:
    """The largest ||map of a noisy copy - map|| / ||map|| (B,) of 3 copies; NaN for an empty map.

    Args:
        request: with the images.
        maps: (B, h, w) of the images.
        explain: noisy images (B, C, H, W) -> their maps (B, h, w), of the same targets.
        seed: of the run; a method's own draws are those of the photo itself.
    """
    size = maps.flatten(1).double().norm(dim=1)
    moved = [
        (explain(noisy(request, number, seed)) - maps).flatten(1).double().norm(dim=1)
        for number in range(COPIES)
    ]
    return torch.where(size > 0, torch.stack(moved).amax(0) / size, torch.nan)


def noisy(request: Request, number: int, seed: int) -> torch.Tensor:
    """The images with uniform noise of at most two of 255 steps, drawn by image, 0 to 255."""
    preprocess, images = request.model.preprocess, request.images
    reach = REACH * preprocess.scale / images.new_tensor(preprocess.std)[:, None, None]
    drawn = []
    for image, image_id in zip(images, request.image_ids, strict=True):
        generator = torch.Generator().manual_seed(seed_of(seed, image_id, "noise", number))
        uniform = torch.rand(image.shape, generator=generator) * 2 - 1
        drawn.append(image + reach * uniform.to(image.device))
    lowest, highest = (pixels(value, preprocess, images) for value in (0.0, 255.0))
    return torch.minimum(torch.maximum(torch.stack(drawn), lowest), highest)
