"""How many workers the nodes of a Ray cluster have room for, and what each of them gets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_CORES = 4  # of a worker without a GPU: more cores speed up one batch ever less


@dataclass(frozen=True)
class Node:
    """What a living node offers."""

    cpus: float
    gpus: float


def nodes_of(listed: Iterable[Mapping[str, Any]]) -> list[Node]:
    """The living nodes of what ``ray.nodes()`` lists."""
    offers = [each.get("Resources", {}) for each in listed if each["Alive"]]
    return [Node(float(o.get("CPU", 0)), float(o.get("GPU", 0))) for o in offers]


@dataclass(frozen=True)
class Needs:
    """What a worker gets: cores (> 0) and GPUs."""

    cpus: float
    gpus: float

    @classmethod
    def of(
        cls,
        nodes: Sequence[Node],
        *,
        workers: int | None,
        cpus: float | None,
        gpus: float | None,
    ) -> Needs:
        """What is given, and for None a share of ``nodes``.

        Args:
            nodes: of the cluster.
            workers: how many there are to be; None: as many as there is room for.
            cpus: None: its GPU's share of a node; without GPUs its own, at most 4.
            gpus: None: one where the cluster has any.
        """
        each = float(any(node.gpus for node in nodes)) if gpus is None else gpus
        return cls(_cores(nodes, each, workers) if cpus is None else cpus, each)

    def room(self, nodes: Iterable[Node]) -> int:
        """How many workers fit into ``nodes``."""
        return sum(
            int(min(node.cpus // self.cpus, node.gpus // self.gpus if self.gpus else math.inf))
            for node in nodes
        )

    def __str__(self) -> str:
        """As it is logged."""
        return f"{self.cpus:g} cores and {self.gpus:g} GPUs"


def _cores(nodes: Sequence[Node], gpus: float, workers: int | None) -> float:
    """The cores of a worker with ``gpus`` GPUs, in whole ones."""
    if gpus:
        shares = [node.cpus * gpus // node.gpus for node in nodes if node.gpus]
        return max(1.0, min(shares, default=1.0))
    fewest = min((node.cpus for node in nodes if node.cpus), default=1.0)
    share = _CORES if workers is None else sum(node.cpus for node in nodes) // workers
    return max(1.0, min(fewest, share))
