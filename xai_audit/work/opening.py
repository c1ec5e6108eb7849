"""The model built, checked and prepared; of photos with several labels with its thresholds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xai_audit.config.build import build
from xai_audit.errors import ConfigError
from xai_audit.network.prepare import fingerprint, prepare
from xai_audit.work.thresholds import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.types import LoadedModel


def opened(
    node: Mapping[str, Any],
    labels: Mapping[str, int],
    *,
    device: str,
    thresholds: Mapping[str, float] | None,
) -> tuple[LoadedModel, str]:
    """The prepared model and the fingerprint of its weights.

    Args:
        node: the keys of the model.
        labels: class name -> model output index.
        device: ``cpu`` or ``cuda:0``.
        thresholds: of photos with several labels, class -> from which probability on a photo is
            decided for it; else None.

    Raises:
        ModelError: it cannot be made, loaded or explained.
        ConfigError: it sees neither three channels nor one, or a softmax is asked of it for photos
            with several labels.
    """
    several = thresholds is not None
    node = {**node, "head": _sigmoid(node["head"])} if several and "head" in node else node
    spec = build("model", node, num_classes_of_dataset=len(labels))
    if len(spec.preprocess.mean) not in (1, 3):  # photos are decoded as RGB
        raise ConfigError(
            "photos have three channels, or one for a grey-scale model",
            where="model.preprocess.mean",
            expected="3 values or 1",
            got=len(spec.preprocess.mean),
            remedy="model=custom with a module that makes its other channels from RGB",
        )
    weights = fingerprint(spec)  # before folding changes them
    if thresholds is None:
        return prepare(spec, device=device), weights
    model = prepare(replace(spec, head="sigmoid"), device=device)
    if model.single_logit and 0 in labels.values():
        raise ConfigError(
            "one logit is the probability of one class",
            where="model",
            expected="an output a class where photos may have several labels",
            got=f"1 output for {len(labels)} classes",
            remedy="a table with a column label has one label a photo",
        )
    by_output = {labels[name]: limit for name, limit in thresholds.items()}
    limits = tuple(by_output.get(output, DEFAULT) for output in range(model.num_outputs))
    return replace(model, thresholds=limits), weights


def _sigmoid(given: str | None) -> str:
    """The head of photos with several labels."""
    if given == "softmax":
        raise ConfigError(
            "photos with several labels need a probability of each class",
            where="model.head",
            expected="sigmoid or null",
            got=given,
            remedy="a table with a column label has one label a photo",
        )
    return "sigmoid"
