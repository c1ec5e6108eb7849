"""discover: heatmaps and scores -> ``clusters.parquet``, the strategies of every class."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from xai_audit.discovery.settings import DiscoverSettings
from xai_audit.run.record import fingerprint
from xai_audit.work.parts import parts_mark, publish
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 2


def plan(audit: Audit) -> Plan:
    """One part: classes share their heatmaps' grid and the seeds of their clusterings."""
    mark = fingerprint(_VERSION, parts_mark(audit.paths, "score"), asdict(_settings(audit)))
    return Plan(mark, lambda: [Part(0, mark)], (audit.paths.clusters,))


def _settings(audit: Audit) -> DiscoverSettings:
    return DiscoverSettings(**vars(audit.settings.discover), seed=audit.settings.seed)


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The strategies of every class."""
    from xai_audit.discovery.discover import discover

    for part in parts:
        table = discover(audit.paths, settings=_settings(audit), progress=progress)
        yield Finished(part, table)


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Put the table where readers look for it."""
    publish(audit.paths, DISCOVER, parts, audit.paths.clusters)
    return {}


DISCOVER = Stage("discover", "discover", _VERSION, "discover", plan, merge, work, needs=("score",))
