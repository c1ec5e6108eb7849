"""Rows of a run's tables, read column by column and part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.errors import OutputError
from xai_audit.paths import RunPaths
from xai_audit.schema import SCORES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

# The margin separates classes best (DESIGN.md), the prediction says least about the class.
PREFERRED_KINDS = ("contrast", "label", "pred")

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


def collect(
    files: Sequence[Path],
    schema: pa.Schema,
    columns: Sequence[str],
    where: ds.Expression | None = None,
) -> pd.DataFrame:
    """All rows of ``scan`` in one frame, with its columns even where there is no row."""
    import pandas as pd

    frames = list(scan(files, schema, columns, where))
    if not frames:
        empty: pd.DataFrame = schema.empty_table().select([*columns]).to_pandas()
        return empty
    return pd.concat(frames, ignore_index=True)


def preferred_kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Method -> the target kind that flags and tables use, from ``method`` and ``target_kind``."""
    pairs = frame[["method", "target_kind"]].drop_duplicates()
    return {
        str(method): next(kind for kind in (*PREFERRED_KINDS, *sorted(kinds)) if kind in set(kinds))
        for method, kinds in pairs.groupby("method")["target_kind"]
    }


def kinds_of_run(paths: RunPaths) -> dict[str, str]:
    """Method -> the target kind that flags and tables use, in the methods' alphabetical order."""
    import pandas as pd

    columns = ["method", "target_kind"]
    seen = [f.drop_duplicates() for f in scan(RunPaths.parts(paths.scores), SCORES, columns)]
    return preferred_kinds(pd.concat(seen)) if seen else {}


def of_kinds(kinds: dict[str, str]) -> ds.Expression:
    """The filter that keeps each method's rows of its preferred target kind."""
    where = ds.scalar(False)
    for method, kind in kinds.items():
        where = where | ((ds.field("method") == method) & (ds.field("target_kind") == kind))
    return where
