"""A table of photos: CSV or Parquet with the columns ``path,label[,mask][,split][,group]``.

In the place of ``label`` there may be ``labels``, several joined, or a column of 0 and 1 a class.
"""

from __future__ import annotations

import logging
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.data._classes import ordered, read_class_to_idx
from xai_audit.data._label_sets import JOINED, class_columns, read_label_sets
from xai_audit.data._names import absolute, shown
from xai_audit.data._table import check_table, read_rows
from xai_audit.errors import ConfigError, DatasetError
from xai_audit.run.labelling import labels_of
from xai_audit.run.paths import safe_name
from xai_audit.store.address import is_address, is_remote, placed, spelled
from xai_audit.store.files import local_copy
from xai_audit.types import Entry
from xai_audit.vision.opening import anywhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.data._table import Row

log = logging.getLogger(__name__)
_NO_LABEL = ("no_class", "the table gives no label")
_MISSING = ("unreadable", "no such file")


class CsvTable:
    """The rows of a table; the classes are its sorted labels, whole numbers sorted as numbers.

    Args:
        name: names the output folder; None: the file's own name.
        file: CSV, or Parquet by its suffix; a path or an address, as the paths in it.
        root: what relative paths start from; None: the file's own folder.
        split: keep only the rows of this split; None: all.
        class_to_idx: JSON or CSV file, class name -> model output index, or None.
        separator: of several labels in the column ``labels``.
        classes: columns of 0 and 1, a class each; None: all but the known ones, where the table
            has neither ``label`` nor ``labels``.
    """

    def __init__(  # noqa: PLR0913 - a dataset's own keys
        self,
        *,
        name: str | None,
        file: str,
        root: str | None,
        split: str | None,
        class_to_idx: str | None,
        separator: str,
        classes: list[str] | None,
    ) -> None:
        """Read ``class_to_idx``; the table itself is not touched yet."""
        self._file: Path = absolute(file)
        self.root: Path = absolute(root) if root is not None else self._file.parent
        self.name: str = safe_name(name or shown(self._file.stem))
        self._where = spelled(self._file)
        self._split = None if split is None else str(split)
        self.class_to_idx: dict[str, int] | None = read_class_to_idx(class_to_idx)
        if not separator:
            raise ConfigError(
                "nothing separates the labels", where="dataset.separator", got=repr(separator),
                expected="a character, such as |",
            )  # fmt: skip
        self._separator, self._classes = separator, classes

    @cached_property
    def _columns(self) -> list[str] | None:
        """The columns of several labels; None for one label a photo."""
        return class_columns(self._table, self._classes)

    @property
    def several_labels(self) -> str:
        """How the table says that a photo may have several labels; empty where it does not."""
        if self._columns is None:
            return ""
        columns = f"the column {JOINED}" if self._columns == [JOINED] else "a column a class"
        return f"{self._file.name} has {columns}"

    def _rows(self) -> Iterator[Row]:
        if self._columns is None:
            return read_rows(self._table)
        return read_label_sets(self._table, self._columns, self._separator)

    def prepare(self) -> None:
        """Check that the table has its columns, a class and a row of the split.

        Raises:
            DatasetError: if not.
        """
        needed = ("path",) if self._columns else ("path", "label")
        check_table(self._table, needed, need_split=self._split is not None)
        self.class_names()
        next(self.entries())

    def class_names(self) -> tuple[str, ...]:
        """Every label, whatever its split, in the order of the model's outputs."""
        labels = {label for _, label, *_ in self._rows() if label is not None}
        if self._columns is not None:
            labels = {label for each in labels for label in labels_of(each)}
            labels |= {*self._columns} - {JOINED}
        if not labels:
            raise DatasetError(
                "the table has no label", where=self._where, expected="rows of path,label",
                remedy="fill the column label",
            )  # fmt: skip
        return ordered(_sorted(labels), self.class_to_idx)

    def entries(self) -> Iterator[Entry]:
        """One entry a path in the table's order; where a path is repeated, its first row."""
        seen: set[str] = set()
        repeated = nameless = 0
        splits: set[str] = set()
        for path, label, mask, split, group in self._rows():
            if self._split is not None and split != self._split:
                splits.add(split or "")
                continue
            if not path:
                nameless += 1
                continue
            relative = _relative(path, self.root)
            if relative in seen:
                repeated += 1
                continue
            seen.add(relative)
            mask = None if mask is None else os.fspath(_joined(self.root, mask))
            problem = _problem(self.root, relative, label)
            yield Entry(relative, label, mask=mask, split=split, group=group, problem=problem)
        if repeated:
            log.warning("%s: %d repeated paths, the first row of each counts", self.name, repeated)
        if nameless:
            log.warning("%s: %d rows without a path are left out", self.name, nameless)
        if not seen:
            self._nothing(splits)

    open = staticmethod(anywhere)

    @property
    def _table(self) -> Path:
        """The table as a file of this machine."""
        try:
            return local_copy(self._file)
        except OSError as exc:
            raise DatasetError(
                "the table cannot be read from its store", where=self._where, got=exc.strerror,
                remedy=getattr(exc, "remedy", "correct dataset.file"),
            ) from exc  # fmt: skip

    def _nothing(self, splits: set[str]) -> None:
        """Raise DatasetError: no row is left; it names the splits that there are."""
        raise DatasetError(
            "the table has no row to use", where=self._where,
            expected="a path" if self._split is None else f"rows of split {self._split!r}",
            got=", ".join(map(repr, sorted(splits)[:10])) or "no row with a path",
            remedy="correct dataset.split" if self._split is not None else "fill the table",
        )  # fmt: skip


def _sorted(labels: set[str]) -> list[str]:
    """``labels`` in order: as numbers where all are whole numbers, else as text."""
    try:
        return sorted(labels, key=lambda label: (int(label), label))
    except ValueError:
        return sorted(labels)


def _relative(path: str, root: Path) -> str:
    """``path`` relative to ``root`` where it lies below it, else absolute; one spelling a file."""
    full, base = _joined(root, path), root
    if ".." in full.parts and not is_remote(full) and "\0" not in path:
        # Behind a linked folder ``x/../y`` is not ``y``: only the file system knows. The last part
        # stays as it is, since a linked photo is known by its link.
        full = Path(os.path.realpath(full.parent)) / full.name
        base = Path(os.path.realpath(root))
    return os.fspath(full.relative_to(base) if full.is_relative_to(base) else full)


def _joined(root: Path, path: str) -> Path:
    """``path``, which may be an address itself, from ``root``."""
    if is_address(path):
        return placed(path)
    if "\\" in path and not is_remote(root) and not os.path.exists(root / path):  # noqa: PTH110 - it never raises
        path = path.replace("\\", "/")  # as Windows writes it
    full = root / path
    return Path(os.path.normpath(full)) if ".." in full.parts and is_remote(full) else full


def _problem(root: Path, relative: str, label: str | None) -> tuple[str, str] | None:
    """Why the row cannot be used, as far as the table and the listing show."""
    try:
        if not is_remote(root / relative):  # the index asks the store, many at a time
            (root / relative).stat()
    except FileNotFoundError:
        return _MISSING
    except (OSError, ValueError) as exc:
        # ValueError: a NUL byte in the path.
        return "unreadable", getattr(exc, "strerror", None) or str(exc)
    return _NO_LABEL if label is None else None
