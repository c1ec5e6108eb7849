"""Guided backpropagation: at every ReLU only positive gradients go back.

Source: Springenberg et al. 2015, section 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.methods._guided import guided
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from xai_audit.types import Request


@dataclass(frozen=True)
class GuidedBackprop:
    """Guided backpropagation, channels summed.

    Attributes:
        name: of the method.
        sign: ``positive`` or ``absolute``.
    """

    name: str
    sign: str

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W)."""
        return Attribution(guided(request, self.name).sum(2))
