"""XGrad-CAM: gradients averaged with the activations as weights.

Source: Fu et al. 2020, equation 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.methods._cam import Cam

if TYPE_CHECKING:
    from collections.abc import Sequence


_EPSILON = 1e-7


def build(*, name: str, sign: str, layers: Sequence[str]) -> Cam:
    """XGrad-CAM."""
    return Cam(name, sign, layers, weigh)


def weigh(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """(B, h, w): channels summed with their activation-weighted mean gradient."""
    total = activations.sum((2, 3))
    weight = (gradient * activations).sum((2, 3)) / (total + _EPSILON)
    return torch.einsum("bc,bchw->bhw", weight, activations)
