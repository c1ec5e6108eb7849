"""What every cue that is a property of the whole photo has in common: no region, no mask needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from xai_audit.types import Canvas


class PhotoProperty:
    """The parts of the ``Cue`` contract that say nothing for a property.

    Args:
        name: of the cue.
    """

    needs_mask = False

    def __init__(self, *, name: str) -> None:
        self.name = name

    def region(self, canvas: Canvas) -> torch.Tensor | None:  # noqa: ARG002 - the contract's signature
        """None: it is everywhere."""
        return None

    def level(self, canvas: Canvas) -> float:  # noqa: ARG002 - the contract's signature
        """NaN: it moves either way; overridden where it only moves down."""
        return math.nan
