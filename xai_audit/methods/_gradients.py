"""Gradients of several scores, and of changed copies of images, summed by image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xai_audit.types import Request


def each_gradient(
    scores: Sequence[torch.Tensor], inputs: Sequence[torch.Tensor]
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Each score's gradients at ``inputs``, one score after another; the last frees the graph."""
    for number, score in enumerate(scores):
        yield torch.autograd.grad(score, inputs, retain_graph=number < len(scores) - 1)


def copy_gradients(
    request: Request,
    owner: torch.Tensor,
    change: Callable[[torch.Tensor, slice], torch.Tensor],
    weigh: Callable[[torch.Tensor, slice], torch.Tensor],
) -> torch.Tensor:
    """(B, T, C, H, W) float32: weighted gradients at N copies, summed over an image's copies.

    Args:
        request: its images are copied, ``request.max_batch`` copies per forward.
        owner: (N,) int64, the image that each copy is of.
        change: (copies (n, C, H, W), which of the N) -> changed copies; may work in place.
        weigh: (gradients (n, C, H, W), which of the N) -> what is summed; may work in place.
    """
    shape = (len(request.targets), *request.images.shape)
    total = request.images.new_zeros(shape, dtype=torch.float32)
    for start in range(0, len(owner), request.max_batch):
        some = slice(start, start + request.max_batch)
        with torch.no_grad():
            copies = change(request.images[owner[some]], some)
        copies = copies.contiguous(memory_format=torch.channels_last).requires_grad_()
        with torch.enable_grad():
            logits = request.model.module(copies)
            scores = [target.of(owner[some]).score(logits).sum() for target in request.targets]
        del logits
        for number, (gradient,) in enumerate(each_gradient(scores, [copies])):
            total[number].index_add_(0, owner[some], weigh(gradient.float(), some))
        request.progress(len(copies))
    return total.transpose(0, 1)
