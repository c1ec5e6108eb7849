"""Scores of changed copies of images: what the perturbation methods spend their time on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.types import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from xai_audit.types import Asked


def copy_scores(
    asked: Asked,
    owner: torch.Tensor,
    make: Callable[[slice], torch.Tensor],
    *,
    score: Callable[[Target, torch.Tensor], torch.Tensor] = Target.score,
) -> torch.Tensor:
    """The targets' scores (N, T) float32 of N changed copies, ``asked.room`` a forward.

    Args:
        asked: whose images are copied.
        owner: (N,) int64, the image that each copy is of.
        make: which of the N -> those changed copies (n, C, H, W), new tensors.
        score: what is told of a target, from it and logits (n, K).
    """
    found = []
    with torch.no_grad():
        for start in range(0, len(owner), asked.room):
            some = slice(start, start + asked.room)
            copies = make(some).contiguous(memory_format=torch.channels_last)
            logits = asked.model.module(copies).float()
            scores = [score(target.of(owner[some]), logits) for target in asked.targets]
            found.append(torch.stack(scores, 1))
            asked.tell(len(copies))
    if not found:
        return asked.images.new_zeros((0, len(asked.targets)))
    return torch.cat(found)
