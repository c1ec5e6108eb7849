"""The report of a run in one process: pictures planned, the missing ones drawn, then the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.report.draw import draw_pictures
from xai_audit.report.page import write_page
from xai_audit.report.sections import plan_pictures, read_sections

if TYPE_CHECKING:
    from xai_audit.report.draw import MaskOf
    from xai_audit.report.picture import ReportSettings
    from xai_audit.run.reader import Run


def build_report(run: Run, settings: ReportSettings, mask_of: MaskOf) -> None:
    """Write the report as the stages gallery and page do, without a driver."""
    sections = read_sections(run, settings)
    for pictures in plan_pictures(run, settings, sections).values():
        draw_pictures(run, pictures, mask_of, run.paths.report)
    write_page(run, settings, sections)
