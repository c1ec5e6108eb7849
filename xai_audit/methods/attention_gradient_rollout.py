"""Rollout of attention times its gradient: the class token's attention in favour of the target.

Source: Chefer, Gur and Wolf 2021 (ICCV), equations 5 and 6, for self-attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.methods._gradients import each_gradient
from xai_audit.methods._transformer import MOST, Attention, read_patches, token_layout
from xai_audit.network.inputs import full
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.types import Request


@dataclass(frozen=True)
class AttentionGradientRollout:
    """Gradient-weighted attention rollout.

    Attributes:
        name: of the method.
        sign: ``positive``; no value is negative.
    """

    name: str
    sign: str

    def attribute(self, request: Request) -> Attribution:
        """Maps on the patches' grid."""
        rows = torch.arange(len(request.images), device=request.images.device)
        pieces = torch.split(rows, min(request.max_batch, MOST))
        return Attribution(torch.cat([self._of(request, piece) for piece in pieces]))

    def _of(self, request: Request, rows: torch.Tensor) -> torch.Tensor:
        """(b, T, h, w) of some images."""
        images = request.images[rows].requires_grad_()
        with torch.enable_grad(), Attention() as attention:
            logits = request.model.module(images)
        layout = token_layout(attention.matrices, images, self.name)
        scores = [target.of(rows).score(logits).sum() for target in request.targets]
        maps = []
        for gradients in each_gradient(scores, attention.matrices):
            with full(images):
                flow = weighted_rollout([m.detach() for m in attention.matrices], gradients)
            maps.append(read_patches(flow, layout))
        return torch.stack(maps, 1)


def weighted_rollout(
    matrices: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]
) -> torch.Tensor:
    """(B, N, N) float32: the rollout of positive, gradient-weighted attention over all layers."""
    flow = torch.eye(matrices[0].shape[-1], device=matrices[0].device)
    flow = flow.repeat(len(matrices[0]), 1, 1)
    for matrix, gradient in zip(matrices, gradients, strict=True):
        layer = (matrix.float() * gradient.float()).clamp(min=0).mean(1)
        flow = flow + layer @ flow
    return flow
