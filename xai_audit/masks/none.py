"""No masks: border, corner and property cues only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xai_audit.types import ImageRecord


class NoMasks:
    """The mask source of a dataset without masks."""

    def load(self, image: ImageRecord) -> None:
        """None: masks are not in use."""
        return

    def fingerprint(self) -> str:
        """A constant."""
        return "none"
