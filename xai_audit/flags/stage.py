"""flag: scores -> ``flags.parquet``, which images stand out of their class and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.run.record import fingerprint
from xai_audit.work.parts import parts_mark
from xai_audit.work.stage import Part, Plan, Stage

if TYPE_CHECKING:
    from xai_audit.work.audit import Audit

_VERSION = 1


def plan(audit: Audit) -> Plan:
    """No parts: flags are arithmetic over the scores."""
    mark = fingerprint(parts_mark(audit.paths, "score"), vars(audit.settings.flags))
    return Plan(mark, outputs=(audit.paths.flags,))


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the flags."""
    from xai_audit.flags.outliers import write_flags
    from xai_audit.run.reader import Run

    del parts
    chosen = audit.settings.flags
    write_flags(Run(audit.paths.root), z=chosen.z, min_excess=chosen.min_excess)
    return {}


FLAG = Stage("flag", "flag", _VERSION, "flags", plan, merge, needs=("score",))
