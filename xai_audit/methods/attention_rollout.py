"""Attention rollout: the class token's attention to the patches, through all layers.

Source: Abnar and Zuidema 2020, equation 1: heads averaged, the residual path as half of each layer.
It does not depend on the target: all targets get the same map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.methods._transformer import MOST, Attention, read_patches, token_layout
from xai_audit.network.inputs import full
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.types import LoadedModel, Request


@dataclass(frozen=True)
class AttentionRollout:
    """Attention rollout.

    Attributes:
        name: of the method.
        sign: ``positive``; no value is negative.
    """

    name: str
    sign: str

    def attribute(self, request: Request) -> Attribution:
        """Maps on the patches' grid."""
        pieces = torch.split(request.images, min(request.max_batch, MOST))
        maps = torch.cat([self._of(request.model, piece) for piece in pieces])
        return Attribution(maps[:, None].repeat(1, len(request.targets), 1, 1))

    def _of(self, model: LoadedModel, images: torch.Tensor) -> torch.Tensor:
        """(b, h, w) of some images."""
        with torch.no_grad(), Attention() as attention:
            model.module(images)
        layout = token_layout(attention.matrices, images, self.name)
        with full(images):
            return read_patches(rollout(attention.matrices), layout)


def rollout(matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, N, N) float32: the share of each input token in each output token."""
    flow = torch.eye(matrices[0].shape[-1], device=matrices[0].device)
    for matrix in matrices:
        layer = matrix.float().mean(1) / 2 + torch.eye(matrix.shape[-1], device=matrix.device) / 2
        flow = layer / layer.sum(-1, keepdim=True) @ flow
    return flow
