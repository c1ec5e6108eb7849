"""report: tables and photos -> galleries and ``report/index.html``; never imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.errors import MaskProblem
from xai_audit.run.manifest import record_of
from xai_audit.run.record import fingerprint
from xai_audit.work.stage import Part, Plan, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.work.audit import Audit

_VERSION = 1


def plan(audit: Audit) -> Plan:
    """No parts yet."""
    chosen = audit.settings.report
    mark = fingerprint([chosen.per_reason, chosen.tile, audit.settings.seed])
    return Plan(mark, outputs=(audit.paths.index_html,))


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Draw the report."""
    from xai_audit.report.build import build_report
    from xai_audit.report.settings import ReportSettings
    from xai_audit.run.reader import Run

    del parts
    chosen, rows = audit.settings.report, audit.selected()
    place = {image_id: row for row, image_id in enumerate(rows.column("image_id").to_pylist())}

    def mask_of(image_id: str) -> NDArray[np.uint8] | None:
        try:
            coverage = audit.masks.load(record_of(rows, place[image_id], audit.dataset.root))
        except MaskProblem:
            return None
        return None if coverage is None else coverage[0]

    masks = fingerprint(audit.mask_mark(rows))
    settings = ReportSettings(chosen.per_reason, chosen.tile, audit.settings.seed, masks)
    build_report(Run(audit.paths.root), settings, mask_of)
    return {}


PAGE = Stage(
    "page", "report", _VERSION, "report", plan, merge, needs=("flag",),
    reads=("trust", "discover", "verdict", "agreement", "boundary", "adversarial"),
)  # fmt: skip
