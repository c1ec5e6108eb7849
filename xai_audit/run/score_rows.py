"""Rows of a run's tables, read column by column and part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.dataset as ds

from xai_audit.run.paths import RunPaths
from xai_audit.run.scan import scan
from xai_audit.schema import PREFERRED_KINDS, SCORES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa


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
