"""The limits from which on a finding counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits that verdicts are decided with.

    Attributes:
        q: the false discovery rate.
        reliance: smallest change of probability; the whole interval of reliance or pull must lie
            above it.
        attention: smallest share of the relevance in excess of what is expected.
        availability: smallest AUROC.
        min_images: with fewer images reliance and pull are undetermined.
    """

    q: float
    reliance: float
    attention: float
    availability: float
    min_images: int
