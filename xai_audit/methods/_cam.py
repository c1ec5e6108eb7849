"""The CAM family: a map from a layer's activations and the gradients there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.network.inputs import full
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xai_audit.types import Request


@dataclass(frozen=True)
class LayerMethod(ABC):
    """A method that makes a map of each of some layers, and fuses them.

    Attributes:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        layers: dotted names whose maps are fused; none: the model's target layer.
    """

    name: str
    sign: str
    layers: Sequence[str]

    def attribute(self, request: Request) -> Attribution:
        """Maps on the layer's grid."""
        layers = self.layers or (request.model.target_layer,)
        return Attribution(fused([self.maps(request, layer) for layer in layers]))

    @abstractmethod
    def maps(self, request: Request, layer: str) -> torch.Tensor:
        """(B, T, h, w) of one layer."""


@dataclass(frozen=True)
class Cam(LayerMethod):
    """A method that weighs activations by gradients; methods of a run share both.

    Attributes:
        weigh: (activations, gradient), both (B, C, h, w) float32 -> (B, h, w) signed.
    """

    weigh: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def maps(self, request: Request, layer: str) -> torch.Tensor:
        """(B, T, h, w) of one layer."""
        features = request.features(layer)
        activations = features.activations.float()
        with full(activations):
            return torch.stack([self.weigh(activations, g.float()) for g in features.gradients], 1)


def fused(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """The mean of ``maps`` (B, T, h, w) on the finest of their grids, each scaled to a peak of 1.

    Negative values are set to 0 before; a single map stays as it is.
    """
    if len(maps) == 1:
        return maps[0]
    size = [max(each.shape[side] for each in maps) for side in (2, 3)]
    scaled = []
    for each in maps:
        positive = each.clamp(min=0)
        peak = positive.amax((2, 3), keepdim=True).clamp(min=torch.finfo(each.dtype).tiny)
        scaled.append(F.interpolate(positive / peak, size, mode="bilinear"))
    return torch.stack(scaled).mean(0)
