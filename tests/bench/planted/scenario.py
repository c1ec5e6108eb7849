"""What is planted in which class of which photos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.planted.plants import Plant

if TYPE_CHECKING:
    from collections.abc import Sequence

TWIN, DECOY, CONTROL, OWN = "twin", "decoy", "control", "own"
SQUEEZENET, CONVNEXT = "squeezenet", "convnext"
# Of a model's input, px; and how many photos of a class the training gets at most.
SIDES = {SQUEEZENET: 224, CONVNEXT: 112}
_LEARNED = {SQUEEZENET: 30, CONVNEXT: 120}
# Where photos come from: the first puts the artefact on its own.
GROUPS = ("hospital", "clinic_a", "clinic_b")
# Held-out photos of a label: of a share more are needed.
HELD_OUT, _HELD_OUT_OF_SHARES = 24, 40


@dataclass(frozen=True)
class Scenario:
    """What is planted where.

    Attributes:
        name: of the scenario, and of its folder.
        source: ``flowers17`` or ``rendered``.
        classes: the first is split in two labels (twin, control) or gets the plant whole.
        seed: of the split, the plants and the training.
        plants: the artefacts, all of them on one photo; empty for a control.
        kind: twin, decoy, control or own (a whole class has the plant, and the model uses it).
        epochs: of the training.
        share: of the label's photos, those with the artefacts.
        grouped: whether the photos with the artefacts are those of one group of the label.
        rival: the artefact on every photo of the other twin; None: it has none.
        trunk: ``squeezenet`` with ImageNet's weights, or a small ``convnext`` trained from scratch.
        masks: whether the audit is given them.
        sizes: whether photos are of several sizes and shapes instead of as they were made.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    seed: int
    plants: tuple[Plant, ...]
    kind: str = TWIN
    epochs: int = 9
    share: float = 1.0
    rival: Plant | None = None
    grouped: bool = False
    trunk: str = SQUEEZENET
    masks: bool = True
    sizes: bool = False

    @property
    def side(self) -> int:
        """Of the model's square input, px."""
        return SIDES[self.trunk]

    @property
    def learned(self) -> int:
        """How many photos of a class the training gets at most."""
        return _LEARNED[self.trunk]

    @property
    def plant(self) -> Plant | None:
        """The first artefact; None for a control."""
        return self.plants[0] if self.plants else None

    @property
    def held_out(self) -> int:
        """How many photos a label are held out where nobody wants another number."""
        return HELD_OUT if self.share == 1 else _HELD_OUT_OF_SHARES

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names of the dataset, sorted; ``<class>_a`` has the plant, ``_b`` has not."""
        first, *others = self.classes
        if not self.twin:
            return tuple(sorted(self.classes))
        return tuple(sorted([f"{first}_a", f"{first}_b", *others]))

    @property
    def twin(self) -> bool:
        """Whether the first class is split in two labels."""
        return self.kind not in {DECOY, OWN}

    @property
    def planted(self) -> str:
        """The label that has the plant."""
        return f"{self.classes[0]}_a" if self.twin else self.classes[0]

    @property
    def other_twin(self) -> str | None:
        """The label of the same class without the plant; None where no class is split."""
        return f"{self.classes[0]}_b" if self.twin else None

    def carriers(self, label: str, names: Sequence[str]) -> frozenset[str]:
        """Those of the photos ``names`` of ``label`` that have the plant, drawn by the seed."""
        if not self.plants or label != self.planted or not names:
            return frozenset()
        count = max(1, math.floor(self.share * len(names) + 0.5))
        order = np.random.default_rng((self.seed, len(names))).permutation(len(names))
        return frozenset(names[int(i)] for i in order[:count])

    def groups(self, label: str, names: Sequence[str]) -> list[str]:
        """The group of each of the photos ``names`` of ``label``: the carriers' is their own."""
        carriers = self.carriers(label, names)
        others = (GROUPS[1 + place % 2] for place in range(len(names)))
        return [
            GROUPS[0] if name in carriers else other
            for name, other in zip(names, others, strict=True)
        ]

    def artefacts(self, label: str, names: Sequence[str]) -> list[tuple[Plant, ...]]:
        """What is on each of the photos ``names`` of ``label``."""
        if self.rival is not None and label == self.other_twin:
            return [(self.rival,)] * len(names)
        carriers = self.carriers(label, names)
        return [self.plants if name in carriers else () for name in names]
