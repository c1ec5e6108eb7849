"""The rows of a CSV or Parquet file, a batch at a time."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from xai_audit.data._names import shown
from xai_audit.errors import DatasetError
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COLUMNS = ("path", "label", "mask", "split", "group")
_NEEDED = COLUMNS[:2]
_PARQUET = {".parquet", ".pq"}
_DELIMITERS, _HEADER_BYTES = ",;\t|", 65_536
_LARGEST_GROUP, _LONGEST_TEXT = 2**30, 2**16  # bytes of a Parquet table, unpacked
_TEXTS = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view,
)  # fmt: skip
_BATCH = 4096  # rows of a Parquet table
_REMEDY = "correct dataset.file"
_UNREAD = "the table cannot be read"
_EXPECTED = "path,label[,mask][,split][,group]"

Row = tuple[str | None, str | None, str | None, str | None, str | None]


def check_table(file: Path, needed: Sequence[str] = _NEEDED, *, need_split: bool) -> list[str]:
    """The columns of ``file``, once those that are needed are known to be there.

    Raises:
        DatasetError: if the file cannot be read or lacks one; names the columns found.
    """
    found = header(file)
    wanted = (*needed, "split") if need_split else needed
    missing = [column for column in wanted if column not in found]
    if missing:
        raise DatasetError(
            f"the table lacks the column {', '.join(missing)}", where=spelled(file),
            expected=_EXPECTED, got=",".join(found), remedy="rename the table's columns",
        )  # fmt: skip
    twice = sorted({column for column in COLUMNS if found.count(column) > 1})
    if twice:
        raise DatasetError(
            f"the table has the column {', '.join(twice)} twice", where=spelled(file),
            got=",".join(found), remedy="drop one of them",
        )  # fmt: skip
    return found


def read_rows(file: Path) -> Iterator[Row]:
    """(path, label, mask, split, group) of every row, absent or empty cells None.

    Raises:
        DatasetError: if the file cannot be read or lacks a column.
    """
    check_table(file, need_split=False)
    for path, label, mask, split, group in read_cells(file, COLUMNS):
        yield path, _valid(label), mask, _valid(split), _valid(group)


def read_cells(file: Path, columns: Sequence[str]) -> Iterator[tuple[str | None, ...]]:
    """The cells of ``columns`` as text, row by row; None where one is empty or the column absent.

    Raises:
        DatasetError: if the file cannot be read.
    """
    known = {*header(file)}
    present = [column for column in columns if column in known]
    with _translated(file):
        for batch in _batches(file, present):
            cells = [
                [_text(value) for value in batch.column(column).to_pylist()]
                if column in present
                else [None] * batch.num_rows
                for column in columns
            ]
            yield from zip(*cells, strict=True)


def header(file: Path) -> list[str]:
    """The names of the table's columns."""
    if not file.is_file():
        # A pipe would hang, and the table is read more than once.
        got = "not a regular file" if file.exists() else "no such file"
        raise DatasetError(
            _UNREAD, where=spelled(file), expected=_EXPECTED, got=got, remedy=_REMEDY
        )
    with _translated(file):
        if file.suffix.lower() in _PARQUET:
            return list(pa.parquet.read_schema(file).names)
        with pa.csv.open_csv(file, parse_options=_parse(file)) as reader:
            return list(reader.schema.names)


def _batches(file: Path, columns: list[str]) -> Iterator[Any]:
    """The record batches of ``columns``, every CSV cell as text."""
    if file.suffix.lower() in _PARQUET:
        with pa.parquet.ParquetFile(file) as table:
            _check_groups(table.metadata, columns, file)
            for group in range(table.num_row_groups):
                _check_texts(file, columns, group)
                yield from table.iter_batches(_BATCH, row_groups=[group], columns=columns)
        return
    # Text throughout: a label 007 keeps its zeros, and a class called NA or null is not missing.
    options = pa.csv.ConvertOptions(
        include_columns=columns,
        column_types={column: pa.string() for column in columns},
        strings_can_be_null=True,
        null_values=[""],
    )
    with pa.csv.open_csv(file, parse_options=_parse(file), convert_options=options) as reader:
        yield from reader


def _check_groups(facts: Any, columns: list[str], file: Path) -> None:  # noqa: ANN401 - likewise
    """Raise DatasetError for a row group whose ``columns`` are too large to unpack."""
    chunks = [
        [group.column(number) for number in range(group.num_columns)]
        for group in map(facts.row_group, range(facts.num_row_groups))
    ]
    sizes = (
        sum(c.total_uncompressed_size for c in found if c.path_in_schema.split(".")[0] in columns)
        for found in chunks
    )
    if (size := max(sizes, default=0)) > _LARGEST_GROUP:
        raise DatasetError(
            "a row group of the table is too large", where=spelled(file),
            expected=f"at most {_LARGEST_GROUP >> 20} MB unpacked", got=f"{size >> 20} MB",
            remedy="write it with pyarrow.parquet.write_table(..., row_group_size=100000)",
        )  # fmt: skip


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - likewise
    """Whether cells of a column of this type are texts, or bytes that may be."""
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return any(is_kind(kind) for is_kind in _TEXTS)


def _check_texts(file: Path, columns: list[str], group: int) -> None:
    """Raise DatasetError where a text of a row group is longer than any path or label.

    As a dictionary a text is held once, however often it stands in the table.
    """
    kinds = pa.parquet.read_schema(file)
    for name in (column for column in columns if _is_text(kinds.field(column).type)):
        with pa.parquet.ParquetFile(file, read_dictionary=[name]) as table:
            chunks = table.read_row_group(group, columns=[name]).column(name).chunks
        texts = [c.dictionary if pa.types.is_dictionary(c.type) else c for c in chunks]
        size = max((pc.max(pc.binary_length(each)).as_py() or 0 for each in texts), default=0)
        if size > _LONGEST_TEXT:
            raise DatasetError(
                "a text of the table is longer than any path or label", where=spelled(file),
                expected=f"at most {_LONGEST_TEXT >> 10} KB", got=f"{size >> 10} KB",
                remedy=_REMEDY,
            )  # fmt: skip


def _parse(file: Path) -> Any:  # noqa: ANN401 - pyarrow is untyped
    """The parse options of the CSV; names of files may hold newlines, in quotes.

    Spreadsheets of many countries separate with semicolons: what separates the header's names does.
    """
    with file.open("rb") as opened:
        first = opened.readline(_HEADER_BYTES).decode("utf-8-sig", "replace").rstrip("\r\n")
    # Photos with several labels have no column label.
    needed = ({*_NEEDED}, {_NEEDED[0]})
    fits = (mark for some in needed for mark in _DELIMITERS if _names(first, mark) >= some)
    delimiter = next(fits, ",")
    return pa.csv.ParseOptions(newlines_in_values=True, delimiter=delimiter)


def _names(header: str, delimiter: str) -> set[str]:
    return {name.strip().strip('"') for name in header.split(delimiter)}


def _text(value: object) -> str | None:
    """A cell as text; None for what pandas and Arrow write for a missing one."""
    if value is None or value == "" or value != value:  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, float) and value.is_integer():
        # A column of whole numbers with a hole in it is float to pandas.
        return str(int(value))
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


def _valid(text: str | None) -> str | None:
    """``text`` as valid unicode; only a path may hold other bytes."""
    return None if text is None else shown(text)


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    """Arrow's and the system's errors about ``file`` as one DatasetError."""
    try:
        yield
    # UnicodeDecodeError: the names of the columns, which Arrow decodes when they are asked for.
    except (OSError, pa.ArrowException, UnicodeDecodeError) as exc:
        raise DatasetError(
            _UNREAD, where=spelled(file), expected=f"{_EXPECTED} in UTF-8 CSV or Parquet", got=exc,
            remedy=_REMEDY,
        ) from exc  # fmt: skip
