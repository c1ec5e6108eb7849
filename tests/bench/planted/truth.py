"""What a trained model does on held-out photos with the artefact and on the same without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.bench.planted.photos import Split, seen
from tests.bench.planted.train import predicted

if TYPE_CHECKING:
    from torch import nn

    from tests.bench.planted.scenario import Scenario


def measured(scenario: Scenario, model: nn.Module, photos: Split) -> dict[str, dict[str, float]]:
    """Accuracy as audited and, label by label, accuracy with and without the artefact.

    Returns:
        label -> ``accuracy`` on its photos as they are in the audit's folder, ``present`` and
        ``absent``: P(predicted = label) with the artefact and without it; ``truth``: their
        difference. Both twins are asked on the photos of both, which are photos of one class.
    """
    outputs = {
        (label, planted): predicted(
            model, [seen(scenario, photo, planted=planted) for photo in photos.held_out[label]]
        )
        for label in scenario.labels
        for planted in ((True, False) if scenario.plant else (False,))
    }
    found = {}
    for number, label in enumerate(scenario.labels):
        same = [other for other in scenario.labels if _species(other) == _species(label)]

        def share(of: list[str], planted: bool, number: int = number) -> float:
            answers = np.concatenate([outputs[other, planted] for other in of])
            return float((answers == number).mean())

        row = {"accuracy": share([label], scenario.planted_in(label))}
        if scenario.plant is not None:
            row["present"], row["absent"] = share(same, True), share(same, False)
            row["truth"] = row["present"] - row["absent"]
        found[label] = row
    return found


def _species(label: str) -> str:
    """The class that a twin was made of; other labels are their own."""
    return label.removesuffix("_a").removesuffix("_b")
