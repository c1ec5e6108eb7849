"""What the pipeline may set about the report; the defaults live in config."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportSettings:
    """How much the galleries show, and how large.

    Attributes:
        per_reason: images per class and reason.
        tile: shorter side of a photo in an overlay, px.
        seed: draws the unflagged images shown for comparison.
    """

    per_reason: int
    tile: int
    seed: int
