"""The items of a dataset in memory as pairs of image and label, and what its labels are."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xai_audit.errors import DatasetError

log = logging.getLogger(__name__)

WHERE = "photos"
EXPECTED = "a dataset whose item i is (image, label), label being the index of a model output"
# Where datasets keep all labels, so that no photo has to be decoded for one.
_LABELS = ("targets", "labels", "_labels")
_IMAGE_COLUMNS = ("image", "img", "photo", "pixel_values")
_LABEL_COLUMNS = ("label", "labels", "fine_label", "target", "class")


def pairs_of(dataset: Any) -> Callable[[int], tuple[Any, Any]]:  # noqa: ANN401
    """Row -> (image, label)."""
    features = getattr(dataset, "features", None)
    if isinstance(features, Mapping):
        image, label = _column(features, _IMAGE_COLUMNS), _column(features, _LABEL_COLUMNS)
        return Columns(dataset, image, label)
    return Items(dataset)


@dataclass(frozen=True)
class Columns:
    """Items that are mappings: two columns of them."""

    dataset: Any
    image: str
    label: str

    def __call__(self, row: int) -> tuple[Any, Any]:
        item = self.dataset[row]
        return item[self.image], item[self.label]


@dataclass(frozen=True)
class Items:
    """Items that are pairs, or mappings with an image and a label."""

    dataset: Any

    def __call__(self, row: int) -> tuple[Any, Any]:
        item = self.dataset[row]
        if isinstance(item, Mapping):
            return item[_column(item, _IMAGE_COLUMNS)], item[_column(item, _LABEL_COLUMNS)]
        if isinstance(item, (tuple, list)) and len(item) >= 2:
            return item[0], item[1]
        raise DatasetError(
            "an item of the dataset is no pair", where=f"{WHERE}[{row}]", expected=EXPECTED,
            got=type(item).__name__,
        )  # fmt: skip


def _column(item: Mapping[str, object], names: Sequence[str]) -> str:
    """The first of ``names`` that ``item`` has."""
    for name in names:
        if name in item:
            return name
    raise DatasetError(
        "the dataset's items lack a key", where=WHERE, expected=f"one of {', '.join(names)}",
        got=", ".join(map(str, item)),
    )  # fmt: skip


def labels_of(
    dataset: Any,  # noqa: ANN401
    rows: Sequence[int],
    files: Sequence[tuple[str, int]] | None,
    pair: Callable[[int], tuple[Any, Any]],
) -> list[int | str]:
    """The label of each of ``rows``: an index, or the name of a class.

    Labels that a dataset keeps beside its items are taken where those items say the same.

    Raises:
        DatasetError: a label that is neither, or both kinds in one dataset.
    """
    if files is not None:
        turned = getattr(dataset, "target_transform", None) or int
        return _alike([_label(turned(files[row][1]), row) for row in rows])
    if isinstance(pair, Columns):
        column = pair.dataset[pair.label]
        return _alike([_label(column[row], row) for row in rows])
    for name in _LABELS:
        held: Any = getattr(dataset, name, None)
        if _is_column(held, len(dataset)) and (found := _confirmed(held, rows, pair)) is not None:
            return _alike(found)
    log.info("reading the labels of %s photos, which decodes each once", f"{len(rows):,}")
    return _alike([_label(pair(row)[1], row) for row in rows])


def _confirmed(
    held: Any,  # noqa: ANN401
    rows: Sequence[int],
    pair: Callable[[int], tuple[Any, Any]],
) -> list[int | str] | None:
    """The labels of ``rows`` in ``held``; None where the first item of one says another."""
    try:
        found = [_label(held[row], row) for row in rows]
    except DatasetError:  # it holds something else
        return None
    first = dict(zip(reversed(found), reversed(rows), strict=True))
    if any(_label(pair(row)[1], row) != label for label, row in first.items()):
        return None
    return found


def _alike(labels: list[int | str]) -> list[int | str]:
    """``labels``, which are all indices or all names."""
    if len({isinstance(label, str) for label in labels}) > 1:
        raise DatasetError(
            "some labels are numbers and some are text", where=WHERE, expected=EXPECTED,
            got=", ".join(repr(label) for label in dict.fromkeys(labels[:5])),
        )  # fmt: skip
    return labels


def _is_column(held: Any, count: int) -> bool:  # noqa: ANN401
    """Whether ``held`` is one label a row."""
    is_sequence = hasattr(held, "__getitem__") and hasattr(held, "__len__")
    return is_sequence and not isinstance(held, (str, Mapping)) and len(held) == count


def _label(value: Any, row: int) -> int | str:  # noqa: ANN401
    """``value`` as the index of an output or the name of a class."""
    if isinstance(value, str):
        return value
    is_number = hasattr(value, "item") and math.prod(value.shape) == 1
    held = value.item() if is_number else value
    if isinstance(held, bool) or not isinstance(held, int) or held < 0:
        raise DatasetError(
            "a label that is no class", where=f"{WHERE}[{row}]", got=repr(value)[:60],
            expected="the index of a model output, or the name of a class",
        )  # fmt: skip
    return held


def classes_of(dataset: Any, labels: Sequence[int | str]) -> tuple[dict[str, int], bool]:  # noqa: ANN401
    """Class name -> index, and whether the indices must be those of the model's outputs.

    They must where the labels are mere numbers. The names of a dataset are those of its outputs in
    their order, unless the model has names of its own.
    """
    if isinstance(labels[0], str):
        used = sorted({*map(str, labels)})
        given = getattr(dataset, "class_to_idx", None)
        if isinstance(given, Mapping) and all(name in given for name in used):
            known = {str(name): int(index) for name, index in given.items()}
            in_order = sorted(known, key=known.__getitem__)
            return {name: known[name] for name in in_order}, max(known.values()) >= len(known)
        return {name: index for index, name in enumerate(used)}, False
    numbers = sorted({*map(int, labels)})
    names = _class_names(dataset)
    if names is None or len(names) <= numbers[-1]:
        return {str(index): index for index in numbers}, True
    return {name: index for index, name in enumerate(names)}, False


def _class_names(dataset: Any) -> list[str] | None:  # noqa: ANN401
    """The dataset's own class names in the order of the labels, None where it has none."""
    names = getattr(dataset, "classes", None)
    features = getattr(dataset, "features", None)
    if isinstance(features, Mapping):
        names = getattr(features[_column(features, _LABEL_COLUMNS)], "names", None)
    if not isinstance(names, (list, tuple)) or len({*map(str, names)}) < len(names) or not names:
        return None
    return [str(name) for name in names]
