"""Grad-CAM: activations of the target layer weighted by their mean gradient.

Source: Selvaraju et al. 2017, equations 1 and 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.methods._cam import Cam

if TYPE_CHECKING:
    from collections.abc import Sequence


def build(*, name: str, sign: str, layers: Sequence[str]) -> Cam:
    """Grad-CAM."""
    return Cam(name, sign, layers, weigh)


def weigh(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """(B, h, w): channels summed with their mean gradient."""
    return torch.einsum("bc,bchw->bhw", gradient.mean((2, 3)), activations)
