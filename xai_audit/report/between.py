"""The sections that compare: methods with each other, and classes with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.report.agreement import agreement
from xai_audit.report.confused import confused
from xai_audit.run.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    import jinja2

    from xai_audit.report.facts import RunFacts
    from xai_audit.report.settings import ReportSettings
    from xai_audit.run.paths import RunPaths


def between(
    paths: RunPaths,
    facts: RunFacts,
    environment: jinja2.Environment,
    *,
    settings: ReportSettings,
    folder: Path,
) -> dict[str, Any]:
    """``confused`` and ``agreement`` as their templates show them; their pictures are drawn.

    Args:
        paths: of the run.
        facts: of the run.
        environment: with the templates.
        settings: of the report.
        folder: of the plots.

    Raises:
        OutputError: a table of the run cannot be read.
    """
    methods = agreement(paths, facts, settings=settings, folder=folder)
    if methods is not None:
        drawn = environment.get_template("agreement.svg.j2").render(plot=methods.matrix)
        write_text(folder / methods.file, drawn)
    pairs = confused(paths, facts, settings=settings, folder=folder)
    return {"agreement": methods, "confused": pairs}
