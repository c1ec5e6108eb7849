"""Score-CAM: activations weighted by the score of the image masked by them; no gradient.

Source: Wang et al. 2020, algorithm 1; the weight is the softmax over channels of the target's
score, as in pytorch-grad-cam (the paper subtracts the score of a black image, which the softmax
takes out again).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.methods._cam import LayerMethod
from xai_audit.network.copies import copy_scores
from xai_audit.network.inputs import full

if TYPE_CHECKING:
    from xai_audit.types import Request


# pytorch-grad-cam's.
_EPSILON = 1e-8


@dataclass(frozen=True)
class ScoreCam(LayerMethod):
    """Score-CAM, a forward a channel; all targets share them."""

    def maps(self, request: Request, layer: str) -> torch.Tensor:
        """(B, T, h, w) of one layer."""
        activations = request.features(layer).activations.float()
        weight = channel_scores(request, activations).softmax(1)
        with full(activations):
            return torch.einsum("bct,bchw->bthw", weight, activations)


def channel_scores(request: Request, activations: torch.Tensor) -> torch.Tensor:
    """(B, C, T): scores of the image times each channel, stretched to 0..1.

    A constant channel masks nothing, so that all constant channels of an image share one forward.
    """
    low, high = activations.amin((2, 3)), activations.amax((2, 3))
    flat = high <= low
    owner, channel = torch.nonzero(~flat, as_tuple=True)
    blank = torch.nonzero(flat.any(1))[:, 0]
    stretch = (high - low + _EPSILON)[owner, channel, None, None, None]
    shown = (activations[owner, channel, None] - low[owner, channel, None, None, None]) / stretch

    def mask(some: slice) -> torch.Tensor:
        size = request.images.shape[2:]
        up = F.interpolate(shown[some], size, mode="bilinear", align_corners=False)
        return request.images[owner[some]].mul_(up)

    live = copy_scores(request, owner, mask)
    dark = copy_scores(request, blank, lambda some: torch.zeros_like(request.images[blank[some]]))
    scores = live.new_zeros((*flat.shape, live.shape[1]))
    scores[owner, channel] = live
    for image, score in zip(blank.tolist(), dark, strict=True):
        scores[image, flat[image]] = score
    return scores
