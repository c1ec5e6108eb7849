"""What is planted in which class of which photos."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.planted.plants import Plant

TWIN, DECOY, CONTROL = "twin", "decoy", "control"


@dataclass(frozen=True)
class Scenario:
    """What is planted where.

    Attributes:
        name: of the scenario, and of its folder.
        source: ``flowers17`` or ``rendered``.
        classes: the first is split in two labels (twin, control) or gets the plant whole (decoy).
        seed: of the split, the plants and the training.
        plant: the artefact, None for a control.
        kind: twin, decoy or control.
        epochs: of the training.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    seed: int
    plant: Plant | None
    kind: str = TWIN
    epochs: int = 9

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names of the dataset, sorted; ``<class>_a`` has the plant, ``_b`` has not."""
        first, *others = self.classes
        if self.kind == DECOY:
            return tuple(sorted(self.classes))
        return tuple(sorted([f"{first}_a", f"{first}_b", *others]))

    @property
    def twin(self) -> bool:
        """Whether the first class is split in two labels."""
        return self.kind != DECOY

    def planted_in(self, label: str) -> bool:
        """Whether the audited photos of ``label`` have the artefact."""
        return self.plant is not None and label == self.planted

    def learned_with(self, label: str, number: int) -> bool:
        """Whether the ``number``-th photo that the model learns ``label`` from has the artefact.

        Of a decoy every second one of every class, so that it tells the model nothing.
        """
        return number % 2 == 0 if self.kind == DECOY else self.planted_in(label)

    @property
    def planted(self) -> str:
        """The label that has the plant."""
        return self.classes[0] if self.kind == DECOY else f"{self.classes[0]}_a"
