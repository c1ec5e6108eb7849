"""The target kind of each method that the tables and pages of a run use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.dataset as ds

from xai_audit.run.kinds import preferred_kinds

if TYPE_CHECKING:
    from xai_audit.run.reader import Run


def kinds_of_run(run: Run) -> dict[str, str]:
    """Method -> the target kind that flags and tables use, in the methods' alphabetical order.

    Raises:
        OutputError: the scores are missing or broken.
    """
    import pandas as pd

    seen = [f.drop_duplicates() for f in run.scan("scores", ["method", "target_kind"])]
    return preferred_kinds(pd.concat(seen)) if seen else {}


def of_kinds(kinds: dict[str, str]) -> ds.Expression:
    """The filter that keeps each method's rows of its preferred target kind."""
    where = ds.scalar(False)
    for method, kind in kinds.items():
        where = where | ((ds.field("method") == method) & (ds.field("target_kind") == kind))
    return where
