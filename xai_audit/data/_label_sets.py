"""Tables of photos with several labels: one column of joined labels, or one of 0 and 1 a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.data._table import COLUMNS, header, read_cells
from xai_audit.errors import DatasetError
from xai_audit.run.labelling import NO_LABEL, SEPARATOR, joined
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xai_audit.data._table import Row

JOINED = "labels"  # the column of joined labels
_OTHERS = ("path", *COLUMNS[2:])
# As CSV and Arrow spell a cell of 0 or 1, of whole numbers or not; an empty one is 0.
_VALUES = {None: False, "0": False, "0.0": False, "false": False}
_VALUES |= {"1": True, "1.0": True, "true": True}


def class_columns(file: Path, given: Sequence[str] | None) -> list[str] | None:
    """The columns that say of which labels a photo is; None for one label a photo.

    Several labels are meant where classes are ``given``, or where the table has a column
    ``labels``, or columns of classes, and none called ``label``.

    Args:
        file: the table.
        given: names of columns of 0 and 1, a class each; None: as the table looks.

    Raises:
        DatasetError: the file cannot be read, or lacks a column.
    """
    found = header(file)
    if given is None and ("label" in found or "path" not in found):
        return None
    if given is None:
        rest = [column for column in found if column not in _OTHERS]
        return [JOINED] if JOINED in found else rest or None
    if missing := [column for column in given if column not in found]:
        raise DatasetError(
            f"the table lacks the column {', '.join(missing)}", where=spelled(file),
            expected=f"the columns {', '.join(given)}", got=",".join(found),
            remedy="correct dataset.classes",
        )  # fmt: skip
    return [*given]


def read_label_sets(file: Path, columns: Sequence[str], separator: str) -> Iterator[Row]:
    """(path, set of labels, mask, split, group) of every row; the set as ``run.labelling`` has it.

    Args:
        file: the table.
        columns: as :func:`class_columns` found them.
        separator: of the labels in the column ``labels``.

    Raises:
        DatasetError: the file cannot be read, a cell is not 0 or 1, a name cannot be a class's.
    """
    for *cells, path, mask, split, group in read_cells(file, [*columns, *_OTHERS]):
        if [*columns] == [JOINED]:
            parts = (cells[0] or "").split(separator)
            labels = [label for part in parts if (label := part.strip())]
        else:
            values = zip(columns, cells, strict=True)
            labels = [name for name, cell in values if _holds(file, path, name, cell)]
        if wrong := [name for name in labels if name == NO_LABEL or SEPARATOR in name]:
            raise DatasetError(
                "not a name of a class where photos have several labels", where=spelled(file),
                expected=f"names without {SEPARATOR}, other than {NO_LABEL!r}", got=wrong[0],
                remedy="dataset.separator=MARK, or rename the class",
            )  # fmt: skip
        yield path, joined(labels), mask, split, group


def _holds(file: Path, path: str | None, name: str, cell: str | None) -> bool:
    """Whether the photo is of the class ``name``."""
    known = None if cell is None else cell.lower()
    if known not in _VALUES:
        raise DatasetError(
            f"the column {name} says neither 0 nor 1", where=f"{spelled(file)}, photo {path}",
            expected="0, 1 or empty for 0, in a column a class", got=cell,
            remedy="dataset.classes=[...] names the columns that are classes; or give the table "
            "a column label, or labels",
        )  # fmt: skip
    return _VALUES[known]
