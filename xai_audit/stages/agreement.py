"""agreement: heatmaps and scores -> how far the methods agree, by image and by class."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from xai_audit.agreement.compare import compare_parts, drop_stale, pending
from xai_audit.agreement.sample import drawn
from xai_audit.agreement.summary import agreement_table
from xai_audit.run.files import is_readable, write_table
from xai_audit.run.paths import RunPaths
from xai_audit.run.progress import progress_bar
from xai_audit.run.record import code_version, fingerprint

if TYPE_CHECKING:
    from xai_audit.stages.context import Audit

log = logging.getLogger(__name__)

# Everything that decides a row of agreement; a test derives it from the imports.
_CODE = ("agreement", "discovery/read.py", "discovery/shares.py", "metrics/ranks.py", "schema.py")


def run(audit: Audit) -> None:
    """Compare the methods anew unless heatmaps, scores and settings are as they were."""
    audit.needs("score")
    paths = audit.paths
    found = fingerprint(
        audit.record.current("score"),
        [audit.settings.agreement.images, audit.settings.seed],
        code_version(*_CODE),
    )
    # One method has none to agree with: the table is there and empty.
    several = len(audit.keys["methods"]) > 1
    todo = len(pending(paths, found)) if several else 0
    if audit.record.is_current("agreement", found) and is_readable(paths.agreement) and not todo:
        return
    audit.record.begin("agreement")
    drop_stale(paths, found)
    resumed = len(RunPaths.parts(paths.agreement_images)) > 0  # the stale ones are gone
    with audit.record.timed("agreement", resumed=resumed):
        if todo:
            _compare(audit, found)
        write_table(paths.agreement, agreement_table(paths))
    audit.record.finished("agreement", found)


def _compare(audit: Audit, mark: str) -> None:
    """Commit every part that is missing; a signal stops between two."""
    images, seed = audit.settings.agreement.images, audit.settings.seed
    chosen = drawn(audit.paths, images=images, seed=seed)
    with progress_bar("agreement", total=None, bar=audit.settings.progress) as progress:
        for count in compare_parts(audit.paths, chosen, mark):
            progress(count)
            audit.stop.check()
