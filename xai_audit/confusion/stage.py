"""boundary: heatmaps of the margin and evidence -> what separates the most confused classes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from xai_audit.run.record import fingerprint
from xai_audit.schema import BOUNDARIES
from xai_audit.work.made_masks import MadeMasks
from xai_audit.work.parts import parts_mark, publish
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

log = logging.getLogger(__name__)

_VERSION = 1


def plan(audit: Audit) -> Plan:
    """One part: which pairs are the most confused shows only over all photos.

    Of the evidence its rows name the confirmed and suspected cues alone, so that a limit which
    moves no verdict leaves the part as it is.
    """
    from xai_audit.confusion.because import cues_of

    cues = cues_of(_evidence(audit), audit.labels)
    mark = fingerprint(
        _VERSION,
        parts_mark(audit.paths, "score"),
        None if cues is None else sorted(cues.items()),
        sorted(audit.labels.items()),
        audit.settings.boundary.pairs,
    )
    return Plan(mark, lambda: [Part(0, mark)], (audit.paths.boundaries,))


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """What separates the most confused pairs of classes."""
    from xai_audit.confusion.output import boundaries

    if audit.several_labels:
        log.info("boundary: no classes are compared: a photo of several labels may be of both")
    pairs = audit.settings.boundary.pairs
    names = {output: name for name, output in audit.labels.items()}
    for part in parts:
        table = BOUNDARIES.empty_table()
        if not audit.several_labels:
            evidence = _evidence(audit)
            table = boundaries(
                audit.paths,
                names,
                pairs=pairs,
                evidence=evidence,
                progress=progress,
                made=isinstance(audit.masks, MadeMasks),
            )
        yield Finished(part, table)


def _evidence(audit: Audit) -> Path | None:
    return audit.paths.evidence if audit.is_current("verdict") else None


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Put the table where readers look for it."""
    publish(audit.paths, BOUNDARY, parts, audit.paths.boundaries)
    return {}


BOUNDARY = Stage(
    "boundary", "boundary", _VERSION, "boundary", plan, merge, work,
    needs=("score",), reads=("verdict",),
)  # fmt: skip
