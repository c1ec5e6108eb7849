"""page: tables -> ``report/index.html``; no photo is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.report.stages.gallery import settings_of
from xai_audit.run.record import fingerprint
from xai_audit.work.parts import parts_mark
from xai_audit.work.stage import Part, Plan, Stage

if TYPE_CHECKING:
    from xai_audit.work.audit import Audit

_VERSION = 3


def plan(audit: Audit) -> Plan:
    """No parts: the page is one."""
    mark = fingerprint(vars(settings_of(audit)), parts_mark(audit.paths, "gallery"))
    return Plan(mark, outputs=(audit.paths.index_html,))


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the page, then delete the pictures that it does not show."""
    from xai_audit.report.page import write_page
    from xai_audit.run.reader import Run

    del parts
    write_page(Run(audit.paths.root), settings_of(audit))
    return {}


PAGE = Stage(
    "page", "report", _VERSION, "report", plan, merge, needs=("gallery",),
    reads=("trust", "discover", "verdict", "agreement", "boundary", "adversarial"),
)  # fmt: skip
