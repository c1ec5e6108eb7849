"""Targets, i.e. what is explained: true class, predicted class, margin, a named class, top k."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.config.nodes import TARGET_KINDS
from xai_audit.errors import ConfigError
from xai_audit.types import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from xai_audit.work.audit import Audit


@dataclass(frozen=True)
class NamedClass:
    """A class that every image is explained for, whatever it shows.

    Attributes:
        kind: ``class:NAME``, the column's value.
        index: the model's output.
    """

    kind: str
    index: int


def kind_of(request: str | NamedClass) -> str:
    """The target kind, the column's value."""
    return request if isinstance(request, str) else request.kind


def resolved(
    request: Sequence[str], labels: Mapping[str, int], outputs: int
) -> list[str | NamedClass]:
    """``request`` as :func:`make_target` takes it: ``top:3`` is ``top1``, ``top2`` and ``top3``.

    Args:
        request: the key ``targets``.
        labels: class name -> model output.
        outputs: of the model.

    Raises:
        ConfigError: a class that the dataset does not have, more than the model's outputs.
    """
    found: list[str | NamedClass] = []
    for kind in request:
        word, _, rest = kind.partition(":")
        if word == "class":
            if rest not in labels:
                near = f"one of {', '.join([*labels][:5])}{', ...' if len(labels) > 5 else ''}"
                raise ConfigError("no such class", where="targets", expected=near, got=rest)
            found.append(NamedClass(kind, labels[rest]))
        elif word == "top":
            if int(rest) > outputs:
                raise ConfigError(
                    "more targets than outputs", where="targets", expected=f"top:{outputs} at most",
                    got=kind,
                )  # fmt: skip
            found += [f"top{place}" for place in range(1, int(rest) + 1)]
        else:
            found.append(kind)
    if len(set(found)) < len(found):
        raise ConfigError("named twice", where="targets", got=", ".join(request))
    return found


def targets_of(audit: Audit) -> list[str | NamedClass]:
    """What is explained of each photo, see :func:`resolved`.

    Of photos with several labels it is each label, and each class that the photo is decided for
    without having it; against no other class, for their decisions are independent of each other.

    Raises:
        ConfigError: as :func:`resolved`, or a target that photos with several labels do not have.
    """
    targets, labels = audit.settings.targets, audit.labels
    if not audit.several_labels:
        return resolved(targets, labels, audit.facts.num_outputs)
    if other := [kind for kind in targets if kind not in TARGET_KINDS]:
        raise ConfigError(
            "not a target of photos with several labels", where="targets", got=", ".join(other),
            expected="label: each label, and each class that is wrongly decided for",
        )  # fmt: skip
    return ["label"]


def make_target(kind: str | NamedClass, logits: torch.Tensor, labels: torch.Tensor) -> Target:
    """The target of ``kind`` for each row of ``logits`` (B, K) with true ``labels`` (B,)."""
    if isinstance(kind, NamedClass):
        return Target(kind.kind, labels.new_full(labels.shape, kind.index))
    if kind == "label":
        return Target(kind, labels)
    if kind == "pred":
        return Target(kind, logits.argmax(1))
    if place := re.fullmatch(r"top(\d+)", kind):
        ranks = logits.argsort(dim=1, descending=True, stable=True)
        return Target(kind, ranks[:, int(place[1]) - 1])
    others = logits.scatter(1, labels[:, None], -math.inf)
    return Target(kind, labels, others.argmax(1))


def make_targets(
    kinds: Sequence[str | NamedClass], logits: torch.Tensor, labels: torch.Tensor, *, single: bool
) -> list[Target]:
    """One target for each of ``kinds``, see :func:`make_target`.

    With a model of one logit z (``single``) a class is explained against the other, so that the
    score is z or -z: its outputs are (0, z), and a constant 0 cannot be explained.
    """
    made = [make_target(kind, logits, labels) for kind in kinds]
    return [Target(t.kind, t.index, 1 - t.index) for t in made] if single else made


def follows_logits(kind: str) -> bool:
    """Whether the output that ``kind`` explains is unknown where the logits are not finite."""
    return kind == "pred" or kind.startswith("top")
