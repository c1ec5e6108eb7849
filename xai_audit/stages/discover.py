"""discover: heatmaps and scores -> ``clusters.parquet``, the strategies of every class."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from xai_audit.discovery.discover import discover
from xai_audit.discovery.settings import DiscoverSettings
from xai_audit.run.files import is_readable, write_table
from xai_audit.run.progress import progress_bar
from xai_audit.run.record import code_version, fingerprint

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
        progress_bar("discover", total=None, bar=audit.settings.progress) as shown,
    ):
        progress = audit.stop.stopping(shown)
        write_table(
            audit.paths.clusters, discover(audit.paths, settings=settings, progress=progress)
        )
    audit.record.finished("discover", found)
