"""Data sets that Hugging Face's library ``datasets`` loads; extra ``huggingface``."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from xai_audit.data._classes import ordered, read_class_to_idx
from xai_audit.data._labels import as_label, classed, classes_of
from xai_audit.data._names import absolute, shown
from xai_audit.data._photo_columns import columns_of
from xai_audit.data._window import Window
from xai_audit.errors import DatasetError
from xai_audit.run.paths import safe_name
from xai_audit.types import Entry
from xai_audit.vision.opening import local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from xai_audit.data._photo_columns import PhotoColumns

_SLICE = 1024
# Threads that open their first photo at once load the data set once.
_LOADING = threading.Lock()


@dataclass(frozen=True)
class _Loaded:
    """A loaded data set.

    Attributes:
        splits: name -> its rows, which come as Arrow tables.
        columns: of each.
        mtime_ns: the latest change of its files, None where it lies in memory.
    """

    splits: dict[str, Any]
    columns: PhotoColumns
    mtime_ns: int | None


class HuggingFace:
    """The rows of a data set; a photo is ``<split>/<number of its row>``.

    Args:
        name: names the output folder; None: the last part of the path.
        path: a name on the hub, a folder that ``save_to_disk`` wrote, or one of data files.
        config: the data set's configuration, or None.
        split: ``test`` for one; None: all.
        image: the column of the photos; None: the only one.
        label: the column of the classes; None: the only ClassLabel, ``label`` or ``labels``.
        class_to_idx: JSON or CSV file, class name -> model output index, or None.
    """

    def __init__(  # noqa: PLR0913 - the keys of the YAML
        self,
        *,
        name: str | None,
        path: str,
        config: str | None,
        split: str | None,
        image: str | None,
        label: str | None,
        class_to_idx: str | None,
    ) -> None:
        """Read ``class_to_idx``; nothing is loaded yet."""
        self._path = os.fspath(absolute(path)) if absolute(path).is_dir() else path
        self.root: Path = absolute(path)
        self.name: str = safe_name(name or shown(self.root.name))
        self._config, self._split, self._wanted = config, split, {"image": image, "label": label}
        self.class_to_idx: dict[str, int] | None = read_class_to_idx(class_to_idx)
        self._kept: _Loaded | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but what is loaded, which the other process loads from the same files."""
        return self.__dict__ | {"_kept": None}

    def prepare(self) -> None:
        """Load the data set, from the hub where it is not in the cache.

        Raises:
            DatasetError: that fails, or its columns do not fit.
        """
        self.class_names()

    def class_names(self) -> tuple[str, ...]:
        """Every class in the order of the model's outputs; of a ClassLabel all that it names."""
        columns = self._loaded().columns
        names = columns.names
        if names is None:
            labels = {row[1] for split in self._loaded().splits for row in self._rows(split)}
            known = {label for label in labels if label is not None}
            names = classes_of(known) if columns.numbers else tuple(sorted(known))
        if not names:
            raise DatasetError(
                "the data set has no label", where=self._path,
                expected=f"labels in the column {columns.label}", remedy="correct dataset.label",
            )  # fmt: skip
        return ordered(names, self.class_to_idx)

    def entries(self) -> Iterator[Entry]:
        """One entry a row, split by split in the rows' order."""
        names = self._loaded().columns.names
        for split in self._loaded().splits:
            for number, (suffix, label, fault) in enumerate(self._rows(split)):
                known, why = classed(label, names, fault)
                problem = ("no_class", why) if known is None else None
                yield Entry(f"{split}/{number:06d}{suffix}", known, split=split, problem=problem)

    def open(self, path: str) -> BinaryIO:
        """The bytes of the photo at ``root`` / split / number, or the file that its row names."""
        split, number = Path(path).relative_to(self.root).parts
        loaded = self._loaded()
        row = int(number.partition(".")[0])
        cell = loaded.splits[split][row : row + 1].column(loaded.columns.image)[0]
        if not loaded.columns.nested:
            return _stream(cell, loaded.mtime_ns)
        if cell.is_valid and cell["bytes"].is_valid:
            return _stream(cell["bytes"], loaded.mtime_ns)
        file = cell["path"].as_py() if cell.is_valid else None
        if not file:
            raise FileNotFoundError("the row holds neither bytes nor a path")
        return local(file)

    def _rows(self, split: str) -> Iterator[tuple[str, str | None, str]]:
        """Of each row the suffix of its name, its label and, where it has none, why."""
        loaded = self._loaded()
        columns, table = loaded.columns, loaded.splits[split]
        for start in range(0, len(table), _SLICE):
            rows = table[start : start + _SLICE]
            labels = rows.column(columns.label).to_pylist()
            paths = [None] * len(labels)
            if columns.nested:
                cells = rows.column(columns.image)
                paths = [cell["path"].as_py() if cell.is_valid else None for cell in cells]
            for path, label in zip(paths, labels, strict=True):
                suffix = PurePosixPath(path or "").suffix or ".jpg"
                try:
                    missing = columns.names is not None and label == -1
                    yield suffix, None if missing else as_label(label), "the row has no label"
                except ValueError as exc:
                    yield suffix, None, str(exc)

    def _loaded(self) -> _Loaded:
        """The data set, loaded once in a process."""
        with _LOADING:
            if self._kept is None:
                splits = _splits(self._path, self._config, self._split)
                first = next(iter(splits.values()))
                wanted = {**self._wanted, "split": None, "group": None}
                columns = columns_of(first.features.arrow_schema, Path(self._path), wanted)
                files = [file["filename"] for rows in splits.values() for file in rows.cache_files]
                times = [Path(file).stat().st_mtime_ns for file in files]
                tables = {
                    name: rows.with_format("arrow").select_columns(columns.read)
                    for name, rows in splits.items()
                }
                self._kept = _Loaded(tables, columns, max(times, default=None))
            return self._kept


def _stream(value: Any, mtime_ns: int | None) -> BinaryIO:  # noqa: ANN401 - pyarrow is untyped
    """The bytes of an Arrow value, which are those of the mapped file."""
    data = memoryview(value.as_buffer()) if value.is_valid else memoryview(b"")
    window = Window(lambda start, count: bytes(data[start : start + count]), len(data), mtime_ns)
    return cast("BinaryIO", window)


def _splits(path: str, config: str | None, split: str | None) -> dict[str, Any]:
    """Split -> its rows.

    Raises:
        DatasetError: the library is missing, or whatever it raised while it loaded.
    """
    library = _library()
    try:
        if Path(path, "state.json").is_file() or Path(path, "dataset_dict.json").is_file():
            found = library.load_from_disk(path)
        else:
            found = library.load_dataset(path, config)
    except Exception as exc:  # the hub, its cache, builders and Arrow raise anything
        raise _unloaded(path, exc) from exc
    splits = dict(found) if isinstance(found, dict) else {str(found.split or "all"): found}
    if split is None:
        return splits
    if split not in splits:
        raise DatasetError(
            "the data set has no such split", where=path, expected=", ".join(map(str, splits)),
            got=split, remedy="correct dataset.split",
        )  # fmt: skip
    return {split: splits[split]}


def _library() -> ModuleType:
    """Hugging Face's datasets."""
    try:
        return import_module("datasets")
    except ImportError as exc:
        raise DatasetError(
            "dataset=huggingface needs the package datasets",
            remedy='pip install "xai-audit[huggingface]", or dataset=parquet for its files',
        ) from exc


def _unloaded(path: str, exc: Exception) -> DatasetError:
    """What the library raised, as one line."""
    return DatasetError(
        "the data set cannot be loaded", where=path,
        expected="a name on the hub or in its cache, or a folder on this machine",
        got=f"{type(exc).__name__}: {next(iter(str(exc).strip().splitlines()), '')}"[:300],
        remedy="without a network load it once where there is one, save_to_disk(DIR) there and "
        "give dataset.path=DIR, or dataset=parquet dataset.file=FOLDER with its Parquet files",
    )  # fmt: skip
