"""index: an image folder -> ``manifest.parquet``, every file once with its status."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from xai_audit.index.manifest import IndexSettings, build_manifest
from xai_audit.run.files import is_readable
from xai_audit.run.manifest import (
    counted,
    listing_fingerprint,
    store,
)
from xai_audit.run.progress import progress_bar

if TYPE_CHECKING:
    from xai_audit.stages.context import Audit

log = logging.getLogger(__name__)


def run(audit: Audit) -> None:
    """List and probe the dataset; the files are asked anew each time, so a change is seen."""
    settings = audit.settings
    index = IndexSettings(
        max_pixels=settings.max_pixels,
        limit=settings.limit,
        seed=settings.seed,
        labels=audit.labels(),
    )
    with (
        audit.record.timed("index", resumed=False),
        progress_bar("index", total=None, bar=settings.progress) as progress,
    ):

        def told(count: int) -> None:
            progress(count)
            audit.stop.check()

        manifest = build_manifest(audit.dataset, index, told)
        found = listing_fingerprint(manifest)
        if not audit.record.is_current("index", found) or not is_readable(audit.paths.manifest):
            audit.record.begin("index")
            store(audit.paths.manifest, manifest)
    audit.record.content["classes"] = {
        output: name for name, output in sorted(audit.labels().items(), key=lambda item: item[1])
    }
    audit.record.content["dataset_root"] = str(audit.dataset.root)
    counts = counted(audit.manifest())
    audit.record.content["counts"] = audit.record.content.get("counts", {}) | counts
    audit.record.finished("index", found)
    log.info(
        "index: %d files: %d usable, %d failed, %d no images, %d left out by limit",
        counts["images"], counts["ok"], counts["failed"], counts["skipped"], counts["left_out"],
    )  # fmt: skip
