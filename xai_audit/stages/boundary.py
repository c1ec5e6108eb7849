"""boundary: heatmaps of the margin and evidence -> what sets the most confused classes apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.confusion.output import boundaries
from xai_audit.run.files import is_readable, write_table
from xai_audit.run.progress import progress_bar
from xai_audit.run.record import code_version, fingerprint

if TYPE_CHECKING:
    from xai_audit.stages.context import Audit

# Everything that decides a row of boundaries; a test derives it from the imports.
_CODE = (
    "boundary",
    "discovery/read.py",
    "discovery/shares.py",
    "evidence/because.py",
    "schema.py",
)


def run(audit: Audit) -> None:
    """Tell the confused classes apart anew unless scores, evidence and settings are as before."""
    audit.needs("score")
    pairs, asked = audit.settings.boundary.pairs, audit.record.current("evidence")
    names = {output: name for name, output in audit.labels().items()}
    found = fingerprint(
        audit.record.current("score"), asked, sorted(names.items()), pairs, code_version(*_CODE)
    )
    if audit.record.is_current("boundary", found) and is_readable(audit.paths.boundaries):
        return
    audit.record.begin("boundary")
    with (
        audit.record.timed("boundary", resumed=False),
        progress_bar("boundary", total=None, bar=audit.settings.progress) as shown,
    ):
        progress = audit.stop.stopping(shown)
        evidence = None if asked is None else audit.paths.evidence
        table = boundaries(audit.paths, names, pairs=pairs, evidence=evidence, progress=progress)
        write_table(audit.paths.boundaries, table)
    audit.record.finished("boundary", found)
