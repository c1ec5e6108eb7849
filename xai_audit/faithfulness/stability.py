"""Sensitivity: how much the map changes when the photo changes invisibly little.

Source: Yeh et al. 2019, "On the (in)fidelity and sensitivity of explanations", max-sensitivity
from a few draws: a lower bound of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.network.baseline import pixels
from xai_audit.network.seeds import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import Request

# Copies, and the largest change of a pixel of 0..255.
COPIES, REACH = 3, 2.0


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
