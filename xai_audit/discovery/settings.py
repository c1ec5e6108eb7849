"""The settings of discovery; the defaults are in the configuration."""

from __future__ import annotations

from dataclasses import dataclass

SPECTRAL, HDBSCAN = "spectral", "hdbscan"


@dataclass(frozen=True)
class DiscoverSettings:
    """How heatmaps are clustered.

    Attributes:
        algorithm: ``spectral`` or ``hdbscan``.
        neighbours: of the graph; for hdbscan the size of a dense neighbourhood.
        images: heatmaps a class and method, drawn by ``seed``.
        max_clusters: of the spectral clustering.
        seed: draws the heatmaps and seeds every clustering.
        min_images: usable heatmaps that a class needs to have a strategy.
        min_clustered: and to be clustered; a class with fewer has one strategy, its mean map.
    """

    algorithm: str
    neighbours: int
    images: int
    max_clusters: int
    seed: int
    min_images: int
    min_clustered: int
