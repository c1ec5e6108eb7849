"""Changed copies of images, for the methods that compare scores: baselines and batches.

Source of the baselines: Sturmfels, Lundberg and Lee 2020, "Visualizing the impact of feature
attribution baselines".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torchvision.transforms.v2 import functional as tv

from xai_audit.network.inputs import full
from xai_audit.run.sample import seed_of
from xai_audit.types import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import Preprocess, Request

BASELINES = ("black", "mean", "blur", "random", "photo")
# Standard deviation of the blur, as a share of the image's shorter side.
_BLUR = 1 / 16


def baseline(kind: str, request: Request, seed: int) -> torch.Tensor:
    """(B, C, H, W) float32, normalised like the images.

    Args:
        kind: ``black``, ``mean`` (the colour that the model's normalisation takes as 0), ``blur``,
            ``random`` (uniform noise) or ``photo`` (another photo of the dataset); the last two
            drawn by image.
        request: with the images.
        seed: of the run.
    """
    images = request.images
    if kind == "mean":
        return torch.zeros_like(images)
    if kind == "black":
        return pixels(0.0, request.model.preprocess, images).expand_as(images).contiguous()
    if kind == "blur":
        sigma = _BLUR * min(images.shape[2:])
        most = min(images.shape[2:]) - 1  # the reflected margin must lie inside the image
        size = min(2 * round(3 * sigma) + 1, most - 1 + most % 2)
        # A convolution, which autocast would round.
        with full(images):
            blurred: torch.Tensor = tv.gaussian_blur(images, [size, size], [sigma, sigma])
        return blurred
    if kind == "photo":
        return torch.stack([_photo(request, image_id, seed) for image_id in request.image_ids])
    drawn = []
    for image, image_id in zip(images, request.image_ids, strict=True):
        generator = torch.Generator(images.device).manual_seed(seed_of(seed, image_id, kind))
        uniform = torch.rand(image.shape, generator=generator, device=images.device)
        drawn.append(pixels(uniform * 255, request.model.preprocess, images)[0])
    return torch.stack(drawn)


def _photo(request: Request, image_id: str, seed: int) -> torch.Tensor:
    """One of the references (C, H, W), but not the image itself where there is another."""
    ids, images = request.references
    others = [place for place, name in enumerate(ids) if name != image_id] or [0]
    return images[others[seed_of(seed, image_id, "photo") % len(others)]]


def pixels(value: float | torch.Tensor, preprocess: Preprocess, like: torch.Tensor) -> torch.Tensor:
    """A pixel ``value`` of 0..255 (any shape that broadcasts) as the model sees it, (1, C, ...)."""
    mean, std = (like.new_tensor(v)[None, :, None, None] for v in (preprocess.mean, preprocess.std))
    return (value * preprocess.scale - mean) / std


def copy_scores(
    request: Request,
    owner: torch.Tensor,
    make: Callable[[slice], torch.Tensor],
    *,
    score: Callable[[Target, torch.Tensor], torch.Tensor] = Target.score,
) -> torch.Tensor:
    """The targets' scores (N, T) float32 of N changed copies, ``request.max_batch`` a forward.

    Args:
        request: with the images.
        owner: (N,) int64, the image that each copy is of.
        make: which of the N -> those changed copies (n, C, H, W), new tensors.
        score: (target, logits (n, K)) -> its score (n,).
    """
    found = []
    with torch.no_grad():
        for start in range(0, len(owner), request.max_batch):
            some = slice(start, start + request.max_batch)
            copies = make(some).contiguous(memory_format=torch.channels_last)
            logits = request.model.module(copies).float()
            scores = [score(target.of(owner[some]), logits) for target in request.targets]
            found.append(torch.stack(scores, 1))
            request.progress(len(copies))
    if not found:
        return request.images.new_zeros((0, len(request.targets)))
    return torch.cat(found)


def normal(like: torch.Tensor, seed: int) -> torch.Tensor:
    """Standard normal noise of the shape, type and device of ``like``."""
    generator = torch.Generator(like.device).manual_seed(seed)
    return torch.empty_like(like, memory_format=torch.contiguous_format).normal_(
        generator=generator
    )
