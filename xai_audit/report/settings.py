"""The settings of the report; their defaults live in config."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportSettings:
    """The number and size of the pictures, and the masks that they show.

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
