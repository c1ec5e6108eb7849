"""The manifest: every file found, once, with what became of it, and which rows a run uses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.errors import DatasetError
from xai_audit.index.rows import probe_all
from xai_audit.run.sample import stratified
from xai_audit.schema import MANIFEST, OK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xai_audit.types import DatasetSource

# Rows a record batch while listing.
_CHUNK = 4096
_THREADS = 8


@dataclass(frozen=True)
class IndexSettings:
    """What decides the manifest's rows besides the files.

    Attributes:
        max_pixels: photos above it are ``too_large``.
        limit: class-stratified sample of so many images, None for all.
        seed: draws the sample.
        labels: class name -> model output index.
    """

    max_pixels: int
    limit: int | None
    seed: int
    labels: Mapping[str, int]


def build_manifest(
    dataset: DatasetSource, settings: IndexSettings, progress: Callable[[int], None]
) -> pa.Table:
    """The manifest of every file that ``dataset`` finds.

    Raises:
        DatasetError: not one usable image.
    """
    table = pa.Table.from_batches(_listed(dataset, settings, progress), schema=MANIFEST)
    usable = pc.equal(table.column("status"), OK)
    if not pc.any(usable).as_py():
        statuses = Counter(table.column("status").to_pylist()).most_common(3)
        raise DatasetError(
            "no usable image",
            where=dataset.root,
            expected="photos that Pillow can read",
            got=", ".join(f"{count} {status}" for status, count in statuses) or "an empty folder",
            remedy="check dataset.root",
        )
    if settings.limit is not None:
        usable = pa.array(stratified(table, usable.to_numpy(), settings.limit, settings.seed))
    return table.set_column(
        MANIFEST.get_field_index("selected"), MANIFEST.field("selected"), usable
    )


def _listed(
    dataset: DatasetSource, settings: IndexSettings, progress: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    rows = []
    for row in probe_all(
        dataset.entries(), dataset.root, max_pixels=settings.max_pixels, threads=_THREADS
    ):
        rows.append(row | {"label": settings.labels.get(row["class_name"]), "selected": False})
        progress(1)
        if len(rows) == _CHUNK:
            yield pa.RecordBatch.from_pylist(rows, schema=MANIFEST)
            rows = []
    yield pa.RecordBatch.from_pylist(rows, schema=MANIFEST)
