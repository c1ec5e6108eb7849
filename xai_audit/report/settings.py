"""The settings of the report; their defaults live in config."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportSettings:
    """How much the galleries show, how large, and under which masks.

    Attributes:
        per_reason: images per class and reason.
        tile: shorter side of a photo in a picture, px.
        seed: draws the unflagged images shown for comparison.
        masks: fingerprint of the object masks; pictures with masks of another one are drawn anew.
    """

    per_reason: int
    tile: int
    seed: int
    masks: str = ""
