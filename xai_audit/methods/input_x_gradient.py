"""Input times gradient: each pixel's first-order part of the score.

Source: Shrikumar et al. 2016, "Not just a black box". The input is what the model gets: normalised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xai_audit.types import Attribution

if TYPE_CHECKING:
    from xai_audit.types import Request


@dataclass(frozen=True)
class InputXGradient:
    """Input times gradient, channels summed.

    Attributes:
        name: of the method.
        sign: ``positive`` or ``absolute``.
    """

    name: str
    sign: str

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W)."""
        gradients = request.input_gradients()
        return Attribution(torch.stack([(g.float() * request.images).sum(1) for g in gradients], 1))
