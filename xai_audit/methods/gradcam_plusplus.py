"""Grad-CAM++: positive gradients, weighted so that all places that show the class count equally.

Source: Chattopadhay et al. 2018, equations 10, 11 and 19; the score is the logit, exponentiated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.methods._cam import Cam

if TYPE_CHECKING:
    from collections.abc import Sequence


_EPSILON = 1e-6


def build(*, name: str, sign: str, layers: Sequence[str]) -> Cam:
    """Grad-CAM++."""
    return Cam(name, sign, layers, weigh)


def weigh(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """(B, h, w): channels summed with their gradients' weighted positive parts."""
    square, cube = gradient.square(), gradient.pow(3)
    total = activations.sum((2, 3), keepdim=True)
    below = 2 * square + total * cube
    # Without any gradient the weights are 0/0.
    alpha = torch.where(square > 0, square / (below + _EPSILON), 0.0)
    weight = (alpha * gradient.clamp(min=0)).sum((2, 3))
    return torch.einsum("bc,bchw->bhw", weight, activations)
