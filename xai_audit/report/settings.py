"""What the pipeline may set about flags and the report; the defaults live in conf."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FlagSettings:
    """When an image's relevance counts as unusual for its class.

    Attributes:
        z: robust standard deviations away from the class's median.
        min_excess: and at least this share of relevance away, 0..1.
    """

    z: float
    min_excess: float


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
