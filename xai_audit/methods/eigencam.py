"""Eigen-CAM: the first principal component of the activations; no target, no gradient.

Source: Muhammad and Yeasin 2020, equations 2 to 4; centred over the places, as pytorch-grad-cam
does. A component has no sign: ours is the one in which active places are positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.methods._cam import fused, layers_of
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.types import Request


@dataclass(frozen=True)
class EigenCam:
    """Eigen-CAM; every target gets the same map.

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
        components = [
            first_component(request.features(layer).activations)[:, None]
            for layer in layers_of(self.layers, request)
        ]
        return Attribution(fused(components).repeat(1, len(request.targets), 1, 1))


def first_component(activations: torch.Tensor) -> torch.Tensor:
    """(B, h, w) float32 of (B, C, h, w): how far each place lies along the first component."""
    places = activations.flatten(2).mT.double()  # (B, h*w, C)
    centred = places - places.mean(1, keepdim=True)
    # Of the h*w x h*w products, which are fewer than the C x C of the channels.
    values, vectors = torch.linalg.eigh(centred @ centred.mT)
    component = vectors[..., -1] * values[..., -1:].clamp(min=0).sqrt()
    towards = (component * places.sum(2)).sum(1, keepdim=True)
    component = torch.where(towards < 0, -component, component)
    return component.view(len(places), *activations.shape[2:]).float()
