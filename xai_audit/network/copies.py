"""Scores of changed copies of images, for the perturbation methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.types import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import Request


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
