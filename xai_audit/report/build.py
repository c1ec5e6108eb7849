"""The report of a run: pictures planned, the missing ones drawn, then the page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from xai_audit.report.draw import draw_pictures
from xai_audit.report.page import write_page
from xai_audit.report.sections import plan_pictures, read_sections

if TYPE_CHECKING:
    from xai_audit.report.draw import MaskOf
    from xai_audit.report.settings import ReportSettings
    from xai_audit.run.reader import Run

log = logging.getLogger(__name__)


def build_report(run: Run, settings: ReportSettings, mask_of: MaskOf) -> None:
    """Write the report in one process; until the new page is whole the old one stays valid.

    Args:
        run: with its manifest, scores, heatmaps and flags.
        settings: of the report.
        mask_of: image_id -> the object (H, W) in the upright photo, bool or uint8, or None;
            may raise MaskProblem.

    Raises:
        OutputError: a table of the run is missing or broken.
    """
    sections = read_sections(run, settings)
    for pictures in plan_pictures(run, settings, sections).values():
        draw_pictures(run, pictures, mask_of, run.paths.report)
    write_page(run, settings, sections)
    log.info("report: %s", run.paths.index_html)
