"""Grad-CAM: activations of the target layer weighted by their mean gradient.

Source: Selvaraju et al. 2017, equations 1 and 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.methods._cam import Cam, mean_gradient

if TYPE_CHECKING:
    from collections.abc import Sequence


def build(*, name: str, sign: str, layers: Sequence[str]) -> Cam:
    """Grad-CAM."""
    return Cam(name, sign, layers, mean_gradient)
