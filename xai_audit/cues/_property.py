"""Base class of the cues that are properties of the whole photo: no region, no mask needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from xai_audit.types import Canvas


class PhotoProperty:
    """The parts of the ``Cue`` contract that do not apply to a property.

    Args:
        name: of the cue.
    """

    needs_mask = False

    def __init__(self, *, name: str) -> None:
        self.name = name

    def region(self, canvas: Canvas) -> torch.Tensor | None:  # noqa: ARG002 - the contract's signature
        """None: a property has no region."""
        return None

    def level(self, canvas: Canvas) -> float:  # noqa: ARG002 - the contract's signature
        """NaN: it can be raised and lowered; overridden where it can only be lowered."""
        return math.nan
