"""What a trained model does on held-out photos with the artefact and on the same without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.planted.photos import Photo, Split, seen
from tests.bench.planted.train import predicted

if TYPE_CHECKING:
    from torch import nn

    from tests.bench.planted.scenarios import Scenario


def measured(scenario: Scenario, model: nn.Module, photos: Split) -> dict[str, dict[str, float]]:
    """Accuracy as audited and, label by label, accuracy with and without the artefact.

    Returns:
        label -> ``accuracy`` on its photos as they are in the audit's folder, ``present`` and
        ``absent``: P(predicted = label) with the artefact and without it; ``truth``: their
        difference. Both twins are asked on the photos of both, which are photos of one class.
    """
    found = {}
    twins = {f"{scenario.classes[0]}_a", f"{scenario.classes[0]}_b"} if scenario.twin else set()
    for number, label in enumerate(scenario.labels):
        own = photos.held_out[label]
        asked = own
        if label in twins:
            asked = [photo for twin in sorted(twins) for photo in photos.held_out[twin]]
        row = {"accuracy": share(scenario, model, own, number, scenario.planted_in(label))}
        if scenario.plant is not None:
            row["present"] = share(scenario, model, asked, number, True)
            row["absent"] = share(scenario, model, asked, number, False)
            row["truth"] = row["present"] - row["absent"]
        found[label] = row
    return found


def share(
    scenario: Scenario, model: nn.Module, photos: list[Photo], output: int, planted: bool
) -> float:
    """Share of ``photos`` predicted as ``output``."""
    pictures = [seen(scenario, photo, planted=planted) for photo in photos]
    return float((predicted(model, pictures) == output).mean())
