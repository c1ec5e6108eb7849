"""Eigen-CAM: the first principal component of the activations; no target, no gradient.

Source: Muhammad and Yeasin 2020, equations 2 to 4; centred over the places, as pytorch-grad-cam
does. The sign of a component is arbitrary: here active places are positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.methods._cam import LayerMethod

if TYPE_CHECKING:
    from xai_audit.types import Request


@dataclass(frozen=True)
class EigenCam(LayerMethod):
    """Eigen-CAM; every target gets the same map."""

    def maps(self, request: Request, layer: str) -> torch.Tensor:
        """(B, T, h, w) of one layer."""
        component = first_component(request.features(layer).activations)
        return component[:, None].repeat(1, len(request.targets), 1, 1)


def first_component(activations: torch.Tensor) -> torch.Tensor:
    """(B, h, w) float32 of (B, C, h, w): the projection of each place on the first component."""
    places = activations.flatten(2).mT.double()  # (B, h*w, C)
    centred = places - places.mean(1, keepdim=True)
    # By the h*w x h*w matrix of products, which is smaller than the C x C one of the channels.
    values, vectors = torch.linalg.eigh(centred @ centred.mT)
    component = vectors[..., -1] * values[..., -1:].clamp(min=0).sqrt()
    towards = (component * places.sum(2)).sum(1, keepdim=True)
    component = torch.where(towards < 0, -component, component)
    return component.view(len(places), *activations.shape[2:]).float()
