"""The photos and labels of a Dataset of (image, label), as the caller's program holds it.

Known are torch's map-style datasets, a list of pairs, and tables of Hugging Face's ``datasets``
library. Photos are those before the dataset's own transform, which is the model's business: pixels
that were cropped and normalised already could not be shown, nor a cue be put on them.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from xai_audit.data._sample_labels import (
    EXPECTED,
    WHERE,
    classes_of,
    labels_of,
    pairs_of,
)
from xai_audit.errors import DatasetError, ImageProblem
from xai_audit.run.paths import safe_name
from xai_audit.vision.opening import local
from xai_audit.vision.pictures import streamed

_FOLDERS = "torchvision.datasets.folder"


@dataclass(frozen=True, eq=False)
class Samples:
    """A dataset whose labels are known and whose photos are opened one by one.

    Attributes:
        name: of the dataset.
        classes: class name -> index, in the order of the indices.
        is_mapped: whether the indices are the model's outputs whatever the model names them.
        ids: of the photos, in order.
        labels: the class name of each.
        open: id -> a stream or a decoded picture; several threads may call it.
        transform: of the dataset, which its photos here have not gone through; None: it has none.
    """

    name: str
    classes: dict[str, int]
    is_mapped: bool
    ids: list[str]
    labels: list[str]
    open: Callable[[str], Any]
    transform: object | None = None

    def size(self) -> tuple[int, int] | None:
        """(height, width) of the first photo in px, None where it cannot be read."""
        try:
            found = self.open(self.ids[0])
            with found if hasattr(found, "read") else streamed(found) as stream:
                image = Image.open(stream)
                return image.height, image.width
        except (OSError, ImageProblem):
            return None


def samples_of(dataset: Any) -> Samples:  # noqa: ANN401 - whatever the caller holds
    """The samples of ``dataset``.

    Raises:
        DatasetError: it has no length, no item, or items that are no pairs of image and label.
    """
    inner, rows = _inside(dataset)
    if len({*rows}) < len(rows):
        raise DatasetError(
            "the dataset has an item more than once", where=WHERE, expected="every photo once",
            got=f"{len(rows) - len({*rows})} more of them", remedy="a Subset of distinct indices",
        )  # fmt: skip
    if not rows:
        raise DatasetError("the dataset is empty", where=WHERE, expected=EXPECTED)
    transform = getattr(inner, "transform", None)
    inner = _without_transform(inner)
    files, pair = _files(inner), pairs_of(inner)
    labels = labels_of(inner, rows, files, pair)
    classes, is_mapped = classes_of(inner, labels)
    names = {index: name for name, index in classes.items()}
    spelled = [label if isinstance(label, str) else names[label] for label in labels]
    if files is not None:
        top = Path(inner.root)
        return Samples(
            name=top.name,
            classes=classes,
            is_mapped=is_mapped,
            ids=[os.path.relpath(files[row][0], top) for row in rows],
            labels=spelled,
            open=_Files(top),
            transform=transform,
        )
    ids = [f"{safe_name(name)}/{row:06d}" for name, row in zip(spelled, rows, strict=True)]
    name = type(inner).__name__.lower()
    return Samples(name, classes, is_mapped, ids, spelled, _Pictures(pair), transform)


def _inside(dataset: Any) -> tuple[Any, Sequence[int]]:  # noqa: ANN401
    """The dataset below any number of ``torch.utils.data.Subset``, and the rows of it in use."""
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DatasetError(
            "the dataset cannot be indexed", where=WHERE, expected=EXPECTED,
            got=type(dataset).__name__, remedy="list(dataset), or a folder's path",
        )  # fmt: skip
    rows: Sequence[int] = range(len(dataset))
    while type(dataset).__name__ == "Subset" and hasattr(dataset, "indices"):
        rows = [int(dataset.indices[row]) for row in rows]
        dataset = dataset.dataset
    return dataset, rows


def _without_transform(dataset: Any) -> Any:  # noqa: ANN401
    """A shallow copy of ``dataset`` whose items are the photos before its transform."""
    if callable(getattr(dataset, "with_transform", None)):  # Hugging Face's
        return dataset.with_format(None)
    if getattr(dataset, "transform", None) is None and getattr(dataset, "transforms", None) is None:
        return dataset
    bare = copy.copy(dataset)
    if hasattr(bare, "transform"):
        bare.transform = _as_it_is
    if hasattr(bare, "transforms"):  # torchvision's, of image and target together
        bare.transforms = None
    return bare


def _as_it_is(*given: Any, **named: Any) -> Any:  # noqa: ANN401
    """What it was given: torchvision's transforms are called ``t(x)``, others ``t(image=x)``."""
    return named if not given else given[0] if len(given) == 1 else given


def _files(dataset: Any) -> Sequence[tuple[str, int]] | None:  # noqa: ANN401
    """(path, label) of each item of a folder that torchvision lists and loads, else None.

    A class of one's own may do more to its items than to open files.
    """
    opens = getattr(type(dataset).__getitem__, "__module__", ""), _module(dataset, "loader")
    return dataset.samples if opens == (_FOLDERS, _FOLDERS) else None


def _module(dataset: Any, name: str) -> str | None:  # noqa: ANN401
    return getattr(getattr(dataset, name, None), "__module__", None)


@dataclass(frozen=True)
class _Files:
    """Opens the files of a folder."""

    root: Path

    def __call__(self, image_id: str) -> Any:  # noqa: ANN401
        return local(os.fspath(self.root / image_id))


@dataclass(frozen=True)
class _Pictures:
    """Opens the items of a dataset, one at a time: few datasets are made for several threads."""

    pair: Callable[[int], tuple[Any, Any]]
    locks: dict[int, Any] = field(default_factory=dict)

    def __call__(self, image_id: str) -> Any:  # noqa: ANN401
        # A process that was forked while another thread held the lock has one of its own.
        lock = self.locks.setdefault(os.getpid(), threading.Lock())
        with lock:
            return self.pair(int(image_id.rpartition("/")[2]))[0]

    def __reduce__(self) -> tuple[type[_Pictures], tuple[Any]]:
        return type(self), (self.pair,)
