"""HiResCAM: activations times gradients, element by element.

Source: Draelos and Carin 2020, equation 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.methods._cam import Cam

if TYPE_CHECKING:
    from collections.abc import Sequence


def build(*, name: str, sign: str, layers: Sequence[str]) -> Cam:
    """HiResCAM."""
    return Cam(name, sign, layers, weigh)


def weigh(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """(B, h, w): channels summed, each place with its own gradient."""
    return torch.einsum("bchw,bchw->bhw", gradient, activations)
