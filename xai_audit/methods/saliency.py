"""Saliency: how much the score changes with each pixel.

Source: Simonyan, Vedaldi and Zisserman 2013, section 3. Channels are summed, not maximised, so that
no colour counts more than another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.types import Attribution

if TYPE_CHECKING:
    from xai_audit.types import Request


@dataclass(frozen=True)
class Saliency:
    """The gradient's magnitude, a value a pixel.

    Attributes:
        name: of the method.
        sign: ``absolute``; the map has no negative value, so it changes nothing.
    """

    name: str
    sign: str

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W)."""
        gradients = request.input_gradients()
        return Attribution(torch.stack([g.float().abs().sum(1) for g in gradients], 1))
