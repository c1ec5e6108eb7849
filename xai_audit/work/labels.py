"""The model outputs of the dataset's classes, and whether the model has as many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.errors import DatasetError
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def outputs_of(names: Sequence[str], given: Mapping[str, int] | None) -> dict[str, int]:
    """Class name -> model output index, in the outputs' order.

    Args:
        names: of the dataset's classes, in the order of the outputs where ``given`` is None.
        given: class name -> output index, or None.

    Raises:
        DatasetError: a class that ``given`` does not name.
    """
    if given is None:
        return {name: index for index, name in enumerate(names)}
    missing = [name for name in names if name not in given]
    if missing:
        raise DatasetError(
            "classes without a model output",
            where="dataset.class_to_idx",
            expected=f"all {len(names)} classes of the dataset",
            got=f"none for {', '.join(missing[:3])}",
        )
    return {name: given[name] for name in sorted(names, key=given.__getitem__)}


def check_outputs(labels: Mapping[str, int], outputs: int, *, mapped: bool, root: Path) -> None:
    """Raise DatasetError where classes have no output, or unmapped ones are not all outputs.

    Args:
        labels: class name -> output index.
        outputs: of the model.
        mapped: whether a table or the model's own names gave the indices.
        root: of the dataset.
    """
    if (mapped and max(labels.values()) >= outputs) or (not mapped and len(labels) != outputs):
        raise DatasetError(
            "the dataset's classes are not the model's outputs",
            where=spelled(root),
            expected=f"{outputs} classes, as the model has outputs",
            got=f"index {max(labels.values())}" if mapped else f"{len(labels)} classes",
            remedy="dataset.class_to_idx=FILE (class name -> output index), or "
            "model.num_classes=N with a checkpoint of your own",
        )
