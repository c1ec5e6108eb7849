"""The report of a finished run, whole or not at all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from xai_audit.report.atomic import replacing_folder
from xai_audit.report.facts import read_facts
from xai_audit.report.gallery import build_gallery
from xai_audit.report.page import PLOTS, write_report
from xai_audit.report.verdicts import build_answer

if TYPE_CHECKING:
    from xai_audit.report.gallery import MaskOf
    from xai_audit.report.settings import ReportSettings
    from xai_audit.run.paths import RunPaths

log = logging.getLogger(__name__)


def build_report(paths: RunPaths, *, settings: ReportSettings, mask_of: MaskOf) -> None:
    """Put page, galleries and plots at ``paths.report``; until they are whole the old ones stay.

    Args:
        paths: of a run with its manifest, parts, flags and ``run.json``.
        settings: how much the galleries show.
        mask_of: image_id -> the object (H, W) in the upright photo, bool or uint8, or None;
            may raise MaskProblem.

    Raises:
        OutputError: a file of the run cannot be read.
    """
    facts = read_facts(paths)
    with replacing_folder(paths.report) as folder:
        gallery = folder / paths.gallery.relative_to(paths.report)
        gallery.mkdir()
        classes = build_gallery(paths, gallery, facts=facts, settings=settings, mask_of=mask_of)
        plots = folder / PLOTS
        plots.mkdir()
        answer = build_answer(paths, plots, facts=facts, tile=settings.tile, mask_of=mask_of)
        write_report(paths, classes, answer=answer, facts=facts, settings=settings, folder=folder)
    log.info("report: %s", paths.index_html)
