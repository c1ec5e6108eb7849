"""discover: heatmaps and scores -> ``clusters.parquet``, the strategies of every class."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from xai_audit.discovery.discover import discover
from xai_audit.discovery.settings import DiscoverSettings
from xai_audit.io import is_readable, write_table
from xai_audit.progress import progress
from xai_audit.run import code_version, fingerprint

if TYPE_CHECKING:
    from xai_audit.stages.context import Audit


# Everything that decides a cluster.
_CODE = ("discovery", "schema.py")


def run(audit: Audit) -> None:
    """Cluster anew unless heatmaps, scores and settings are as they were."""
    audit.needs("score")
    chosen = audit.settings.discover
    settings = DiscoverSettings(
        algorithm=chosen.algorithm,
        neighbours=chosen.neighbours,
        images=chosen.images,
        max_clusters=chosen.max_clusters,
        seed=audit.settings.seed,
        min_images=chosen.min_images,
    )
    found = fingerprint(audit.record.current("score"), asdict(settings), code_version(*_CODE))
    if audit.record.is_current("discover", found) and is_readable(audit.paths.clusters):
        return
    audit.record.begin("discover")
    with (
        audit.record.timed("discover", resumed=False),
        progress("discover", total=None, bar=audit.settings.progress) as shown,
    ):
        tell = audit.stop.stopping(shown)
        write_table(audit.paths.clusters, discover(audit.paths, settings=settings, tell=tell))
    audit.record.finished("discover", found)
