"""Insertion and deletion: the probability as the most relevant pixels are inserted or deleted.

Source: Petsiuk, Das and Saenko 2018, "RISE", section 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.network.copies import baseline, copy_scores
from xai_audit.network.inputs import probabilities
from xai_audit.run.sample import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xai_audit.types import Request, Target


def copy_probabilities(
    request: Request, owner: torch.Tensor, make: Callable[[slice], torch.Tensor]
) -> torch.Tensor:
    """The explained class's probability (N,) for changed copies; see ``copy_scores``."""

    def probability(target: Target, logits: torch.Tensor) -> torch.Tensor:
        known = probabilities(logits, request.model.head)
        return known.gather(1, target.index[:, None])[:, 0]

    return copy_scores(request, owner, make, score=probability)[:, 0].double()


def ranks(
    maps: torch.Tensor, size: tuple[int, int], *, image_ids: Sequence[str], seed: int
) -> torch.Tensor:
    """The place (B, H, W) int64 of each pixel, 0 the most relevant; ties in a random order.

    Args:
        maps: (B, h, w); upsampled to the pixels bilinearly.
        size: (H, W).
        image_ids: B ids, which decide the order of ties.
        seed: of the run.
    """
    pixels = F.interpolate(maps[:, None].float(), size, mode="bilinear")[:, 0].flatten(1)
    found = torch.empty_like(pixels, dtype=torch.int64)
    places = torch.arange(pixels.shape[1], device=pixels.device)
    for row, image_id in zip(range(len(pixels)), image_ids, strict=True):
        generator = torch.Generator().manual_seed(seed_of(seed, image_id, "ties"))
        shuffle = torch.randperm(pixels.shape[1], generator=generator).to(pixels.device)
        order = shuffle[pixels[row][shuffle].argsort(descending=True, stable=True)]
        found[row, order] = places
    return found.view(len(maps), *size)


def insertion_deletion(
    request: Request, places: torch.Tensor, *, steps: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Areas (B,) under the two curves, 0..1: insertion (high is good), deletion (low is good).

    Pixels are inserted into the blurred image and deleted to the model's mean colour. Unlike in the
    paper the blur is as wide as that of the baselines, and there are ``steps`` equal steps.

    Args:
        request: of one target.
        places: (B, H, W) of :func:`ranks`.
        steps: of a curve.
        seed: of the run.
    """
    blurred, plain = baseline("blur", request, seed), baseline("mean", request, seed)
    return (
        _area(request, places, steps, below=request.images, above=blurred),
        _area(request, places, steps, below=plain, above=request.images),
    )


def _area(
    request: Request,
    places: torch.Tensor,
    steps: int,
    *,
    below: torch.Tensor,
    above: torch.Tensor,
) -> torch.Tensor:
    """The area under the curve: the first pixels are of ``below``, the others of ``above``."""
    images, pixels = len(places), places[0].numel()
    owner = torch.arange(images, device=places.device).repeat_interleave(steps + 1)
    counts = torch.linspace(0, pixels, steps + 1, device=places.device).round().repeat(images)

    def make(some: slice) -> torch.Tensor:
        whose = owner[some]
        changed = places[whose] < counts[some, None, None]
        return torch.where(changed[:, None], below[whose], above[whose])

    values = copy_probabilities(request, owner, make)
    return torch.trapezoid(values.view(images, -1), dx=1 / steps)
