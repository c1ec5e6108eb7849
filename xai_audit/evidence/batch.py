"""Pairs of one class that wait for the model, with their views."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from xai_audit.evidence.plan import Pair


@dataclass
class Batch:
    """Pairs of one class that wait for the model.

    Attributes:
        pairs: in the order of their ends.
        views: the different views of each photo's pairs.
        ids: of the photo of each view.
        ends: the place among all views of each end: with, without, with, ...
    """

    pairs: list[Pair] = field(default_factory=list)
    views: list[torch.Tensor] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many views wait."""
        return len(self.ids)

    def add(self, pairs: list[Pair], views: torch.Tensor, ends: Sequence[int]) -> None:
        """Take pairs of one photo."""
        self.ends += [self.size + end for end in ends]
        self.pairs += pairs
        self.views.append(views)
        self.ids += [pairs[0].image] * len(views)

    @property
    def forwards(self) -> list[int]:
        """Of each pair, how many of its views no pair before it has."""
        seen: set[int] = set()
        found = []
        for start in range(0, len(self.ends), 2):
            ends = {*self.ends[start : start + 2]}
            found.append(len(ends - seen))
            seen |= ends
        return found
