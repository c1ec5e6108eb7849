"""LayerCAM: activations weighted place by place by their positive gradients.

Source: Jiang et al. 2021, equations 6 to 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.methods._cam import Cam

if TYPE_CHECKING:
    from collections.abc import Sequence


def build(*, name: str, sign: str, layers: Sequence[str]) -> Cam:
    """LayerCAM."""
    return Cam(name, sign, layers, weigh)


def weigh(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """(B, h, w): channels summed, each place with its own gradient where that is positive."""
    return torch.einsum("bchw,bchw->bhw", gradient.clamp(min=0), activations)
