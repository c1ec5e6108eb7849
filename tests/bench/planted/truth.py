"""What a trained model does on held-out photos with the artefacts and on the same without them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.planted.photos import Split, image_id, seen
from tests.bench.planted.scenario import OWN
from tests.bench.planted.train import predicted

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from tests.bench.planted.plants import Plant
    from tests.bench.planted.scenario import Scenario

    Answers = Callable[[str, tuple[Plant, ...]], np.ndarray]

_ALONE = "alone_"


def answering(scenario: Scenario, model: nn.Module, photos: Split) -> Answers:
    """A function of a label and artefacts: the predicted outputs (B,) of its held-out photos."""

    @cache
    def answers(label: str, artefacts: tuple[Plant, ...]) -> np.ndarray:
        held_out = [seen(scenario, photo, artefacts) for photo in photos.held_out[label]]
        return predicted(model, held_out, scenario.side)

    return answers


def measured(scenario: Scenario, photos: Split, answers: Answers) -> dict[str, dict[str, float]]:
    """Accuracy as audited and, label by label, the share of answers with and without artefacts.

    Returns:
        label -> ``accuracy`` on its photos as they are in the audit's folder, ``present`` and
        ``absent``: P(predicted = label) with the artefacts and without them; ``truth``: their
        difference; ``alone_<cue>``: the difference with one of several artefacts. Both twins are
        asked on the photos of both, which are photos of one class; where a whole class has the
        artefact each label is asked on the photos of the other classes.
    """
    return {
        label: {
            "accuracy": _accuracy(scenario, photos, label, answers),
            **_differences(scenario, label, answers),
        }
        for label in scenario.labels
    }


def of_cue(row: dict[str, float], cue: str) -> float:
    """The truth of ``cue`` in a row of :func:`measured`."""
    return row.get(f"{_ALONE}{cue}", row["truth"])


def victims(scenario: Scenario, answers: Answers) -> dict[str, dict[str, dict[str, float]]]:
    """label -> cue -> other label -> share of its photos that become the label with the artefact.

    Of the label that has the artefact; of both where the other twin has one of its own.
    """
    worn = {scenario.planted: scenario.plants}
    if scenario.rival is not None and scenario.other_twin is not None:
        worn[scenario.other_twin] = (scenario.rival,)
    as_they_are = {label: worn.get(label, ()) for label in scenario.labels}
    if scenario.share < 1:
        as_they_are[scenario.planted] = ()
    return {
        label: {
            plant.cue: {
                victim: _changed(answers, victim, scenario.labels.index(label), plant, before)
                for victim, before in as_they_are.items()
                if victim != label
            }
            for plant in plants
        }
        for label, plants in worn.items()
    }


def _changed(
    answers: Answers, victim: str, number: int, plant: Plant, before: tuple[Plant, ...]
) -> float:
    now, then = answers(victim, (plant,)) == number, answers(victim, before) == number
    return float((now & ~then).mean())


def carriers(scenario: Scenario, photos: Split) -> dict[str, list[str]]:
    """label -> sorted image_id of the audited photos that have the artefacts, where any has."""
    found = {}
    for label, held_out in photos.held_out.items():
        names = scenario.carriers(label, [photo.name for photo in held_out])
        if names:
            found[label] = sorted(image_id(label, p) for p in held_out if p.name in names)
    return found


def _accuracy(scenario: Scenario, photos: Split, label: str, answers: Answers) -> float:
    artefacts = scenario.artefacts(label, [photo.name for photo in photos.held_out[label]])
    given = [answers(label, worn)[place] for place, worn in enumerate(artefacts)]
    return float(np.mean(np.asarray(given) == scenario.labels.index(label)))


def _differences(scenario: Scenario, label: str, answers: Answers) -> dict[str, float]:
    if not scenario.plants:
        return {}
    number = scenario.labels.index(label)
    asked = _asked(scenario, label)

    def share(artefacts: tuple[Plant, ...]) -> float:
        return float((np.concatenate([answers(of, artefacts) for of in asked]) == number).mean())

    present: tuple[Plant, ...] = scenario.plants
    absent: tuple[Plant, ...] = ()
    if scenario.rival is not None and label == scenario.planted:
        absent = (scenario.rival,)
    elif scenario.rival is not None and label == scenario.other_twin:
        present, absent = (scenario.rival,), scenario.plants
    row = {"present": share(present), "absent": share(absent)}
    row["truth"] = row["present"] - row["absent"]
    if len(scenario.plants) > 1:
        alone = {plant.cue: share((plant,)) for plant in scenario.plants}
        row |= {f"{_ALONE}{cue}": value - row["absent"] for cue, value in alone.items()}
    return row


def _asked(scenario: Scenario, label: str) -> list[str]:
    """The labels on whose photos ``label`` is measured."""
    if scenario.kind == OWN:
        return [other for other in scenario.labels if other != label]
    return [other for other in scenario.labels if _species(other) == _species(label)]


def _species(label: str) -> str:
    """The class that a twin was made of; other labels are their own."""
    return label.removesuffix("_a").removesuffix("_b")
