"""The target kind of each method that later stages use, where it explained several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.run.scan import scan
from xai_audit.schema import PREFERRED_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa


def preferred_kind(kinds: Iterable[str]) -> str | None:
    """The first of ``schema.PREFERRED_KINDS`` that is among ``kinds``; None where none is."""
    known = {*kinds}
    return next((kind for kind in PREFERRED_KINDS if kind in known), None)


def preferred_kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Method -> its preferred target kind, else the alphabetically first; methods in order.

    Args:
        frame: with ``method`` and ``target_kind``.
    """
    pairs = frame[["method", "target_kind"]].drop_duplicates()
    return {
        str(method): preferred_kind(kinds) or min(kinds)
        for method, kinds in pairs.groupby("method")["target_kind"]
    }


def kinds_in(files: Sequence[Path], schema: pa.Schema) -> dict[str, str]:
    """Method -> the target kind that tables use, of all rows of ``files``.

    Raises:
        OutputError: a file cannot be read.
    """
    import pandas as pd

    columns = ["method", "target_kind"]
    seen = [frame.drop_duplicates() for frame in scan(files, schema, columns)]
    return preferred_kinds(pd.concat(seen)) if seen else {}
