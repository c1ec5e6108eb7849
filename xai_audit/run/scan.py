"""Rows of a run's tables in frames of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    try:
        table = ds.dataset([str(file) for file in files], schema=schema, format="parquet")
        for batch in table.to_batches(columns=[*columns], filter=where, batch_size=_BATCH_ROWS):
            if batch.num_rows:
                yield batch.to_pandas()
    except (pa.ArrowException, OSError) as exc:
        raise OutputError(
            "a table of this run cannot be read",
            where=files[0].parent,
            got=exc,
            remedy="delete the broken file and run the same command again",
        ) from exc
