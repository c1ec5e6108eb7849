"""Rows of a run's tables in frames of bounded size."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

_BATCH_ROWS = 65_536


def scan(
    files: Sequence[Path],
    schema: pa.Schema,
    columns: Sequence[str],
    where: ds.Expression | None = None,
) -> Iterator[pd.DataFrame]:
    """The rows of ``files`` in frames of bounded size, ``columns`` only; absent ones are null.

    Raises:
        OutputError: a file is no Parquet file or holds other types than ``schema``.
    """
    if not files:
        return
    with _readable(files):
        table = ds.dataset([str(file) for file in files], schema=schema, format="parquet")
        yield from _frames(table, columns, where)


def scan_table(
    table: pa.Table, columns: Sequence[str], where: ds.Expression | None = None
) -> Iterator[pd.DataFrame]:
    """The rows of a table in memory as :func:`scan` gives those of files."""
    return _frames(ds.dataset(table), columns, where)


def read_table(file: Path, schema: pa.Schema) -> pa.Table:
    """The whole table of one file in the columns of ``schema``; absent ones are null.

    Raises:
        OutputError: as :func:`scan`.
    """
    with _readable([file]):
        return ds.dataset(str(file), schema=schema, format="parquet").to_table()


def _frames(
    table: ds.Dataset, columns: Sequence[str], where: ds.Expression | None
) -> Iterator[pd.DataFrame]:
    """Frames of up to ``_BATCH_ROWS`` rows, those of small files put together."""
    held: list[pa.RecordBatch] = []
    for batch in table.to_batches(columns=[*columns], filter=where, batch_size=_BATCH_ROWS):
        if held and sum(b.num_rows for b in held) + batch.num_rows > _BATCH_ROWS:
            yield pa.Table.from_batches(held).to_pandas()
            held = []
        if batch.num_rows:
            held.append(batch)
    if held:
        yield pa.Table.from_batches(held).to_pandas()


@contextmanager
def _readable(files: Sequence[Path]) -> Iterator[None]:
    """Arrow's errors about ``files`` as one OutputError."""
    try:
        yield
    except (pa.ArrowException, OSError) as exc:
        raise OutputError(
            "a table of this run cannot be read",
            where=files[0] if len(files) == 1 else files[0].parent,
            got=exc,
            remedy="delete the broken file and run the same command again",
        ) from exc


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of ``frame`` as dictionaries, null of any spelling as None."""
    names = [*frame.columns]
    return [
        {key: None if _is_nan(value) else value for key, value in zip(names, values, strict=True)}
        for values in frame.itertuples(index=False, name=None)
    ]


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
