"""flag: scores -> ``flags.parquet``, which images stand out of their class and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.flags.outliers import write_flags
from xai_audit.run.files import is_readable
from xai_audit.run.record import code_version, fingerprint

if TYPE_CHECKING:
    from xai_audit.stages.context import Audit


# Everything that decides a flag; a test derives it from the imports.
_CODE = ("report/flags.py", "report/rows.py", "report/settings.py", "schema.py")


def run(audit: Audit) -> None:
    """Find the flags anew unless scores and thresholds are as they were."""
    audit.needs("score")
    chosen = audit.settings.flags
    found = fingerprint(
        audit.record.current("score"),
        [chosen.z, chosen.min_excess],
        code_version(*_CODE),
    )
    if audit.record.is_current("flag", found) and is_readable(audit.paths.flags):
        return
    audit.record.begin("flag")
    with audit.record.timed("flag", resumed=False):
        write_flags(audit.paths, z=chosen.z, min_excess=chosen.min_excess)
    audit.record.finished("flag", found)
