"""report: tables and photos -> galleries and ``report/index.html``; never imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.errors import MaskProblem
from xai_audit.report.build import build_report
from xai_audit.report.settings import ReportSettings
from xai_audit.run.manifest import record_of
from xai_audit.run.record import code_version, fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.stages.context import Audit


def run(audit: Audit) -> None:
    """Draw the report anew unless everything that it shows is as it was."""
    audit.needs("flag")
    chosen = audit.settings.report
    found = fingerprint(
        audit.record.current("flag"),
        audit.record.current("trust"),
        audit.record.current("evidence"),
        audit.record.current("discover"),
        audit.record.current("agreement"),
        audit.record.current("boundary"),
        audit.record.current("adversarial"),
        [chosen.per_reason, chosen.tile, audit.settings.seed],
        code_version("report", "geometry.py", "types.py", "schema.py"),
    )
    if audit.record.is_current("report", found) and audit.paths.gallery.is_dir():
        return
    audit.record.begin("report")
    rows = audit.selected()
    place = {image_id: row for row, image_id in enumerate(rows.column("image_id").to_pylist())}

    def mask_of(image_id: str) -> NDArray[np.uint8] | None:
        audit.stop.check()
        try:
            coverage = audit.masks.load(record_of(rows, place[image_id], audit.dataset.root))
        except MaskProblem:
            return None
        return None if coverage is None else coverage[0]

    with audit.record.timed("report", resumed=False):
        build_report(
            audit.paths,
            settings=ReportSettings(
                per_reason=chosen.per_reason, tile=chosen.tile, seed=audit.settings.seed
            ),
            mask_of=mask_of,
        )
    audit.record.finished("report", found)
