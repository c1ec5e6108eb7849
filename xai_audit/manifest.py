"""The manifest: every file found, once, with what became of it, and which rows a run uses."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.data.index import probe_all
from xai_audit.errors import DatasetError
from xai_audit.io import read_notes, write_table
from xai_audit.schema import MANIFEST, OK
from xai_audit.types import ImageRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from xai_audit.types import DatasetSource

# Statuses of files that never were images of the audit; they do not count as failed.
NOT_IMAGES = ("unsupported", "no_class", "symlink_loop")

_FINGERPRINT = "fingerprint"
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
    dataset: DatasetSource, settings: IndexSettings, tell: Callable[[int], None]
) -> pa.Table:
    """The manifest of every file that ``dataset`` finds.

    Raises:
        DatasetError: not one usable image.
    """
    table = pa.Table.from_batches(_listed(dataset, settings, tell), schema=MANIFEST)
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
        usable = pa.array(_sample(table, usable.to_numpy(), settings.limit, settings.seed))
    return table.set_column(
        MANIFEST.get_field_index("selected"), MANIFEST.field("selected"), usable
    )


def _listed(
    dataset: DatasetSource, settings: IndexSettings, tell: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    rows = []
    for row in probe_all(
        dataset.entries(), dataset.root, max_pixels=settings.max_pixels, threads=_THREADS
    ):
        rows.append(row | {"label": settings.labels.get(row["class_name"]), "selected": False})
        tell(1)
        if len(rows) == _CHUNK:
            yield pa.RecordBatch.from_pylist(rows, schema=MANIFEST)
            rows = []
    yield pa.RecordBatch.from_pylist(rows, schema=MANIFEST)


def _sample(table: pa.Table, usable: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Which rows (bool) a sample of ``limit`` takes: each class its share, largest remainders.

    The rank of an image is a hash of the seed and its id, so that a larger limit keeps the
    smaller one's images of every class.
    """
    names = np.array(table.column("class_name").to_pylist(), dtype=object)
    ids = table.column("image_id").to_pylist()
    ranks = np.array([_rank(seed, image_id) for image_id in ids], dtype=np.uint64)
    classes = sorted(set(names[usable]))
    sizes = np.array([(usable & (names == name)).sum() for name in classes])
    quotas = _quotas(sizes, limit)
    chosen = np.zeros(len(usable), dtype=bool)
    for name, quota in zip(classes, quotas, strict=True):
        rows = np.flatnonzero(usable & (names == name))
        chosen[rows[np.argsort(ranks[rows], kind="stable")[:quota]]] = True
    return chosen


def _quotas(sizes: np.ndarray, limit: int) -> np.ndarray:
    """Images of each class in a sample of ``limit``, proportional, by largest remainders."""
    exact = sizes * min(limit, int(sizes.sum())) / sizes.sum()
    quotas: np.ndarray = np.floor(exact).astype(int)
    left = min(limit, int(sizes.sum())) - int(quotas.sum())
    quotas[np.argsort(-(exact - quotas), kind="stable")[:left]] += 1
    return quotas


def _rank(seed: int, image_id: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{image_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest)


def record_of(manifest: pa.Table, index: int, root: Path) -> ImageRecord:
    """Row ``index`` of a manifest as an ImageRecord."""
    columns = ("image_id", "raw_path", "class_name", "label", "height", "width", "mask")
    row = {name: manifest.column(name)[index].as_py() for name in columns}
    raw = row.pop("raw_path")
    relative = row["image_id"] if raw is None else raw.decode("utf-8", "surrogateescape")
    return ImageRecord(path=str(root / relative), **row)


def content_fingerprint(manifest: pa.Table) -> str:
    """A hash that changes when a selected file, its class or its label does."""
    digest = hashlib.sha256()
    rows = manifest.filter(manifest.column("selected"))
    for name in ("image_id", "class_name", "label", "file_bytes", "mtime_ns", "mask"):
        digest.update("\x00".join(map(str, rows.column(name).to_pylist())).encode())
    return digest.hexdigest()[:16]


def listing_fingerprint(manifest: pa.Table) -> str:
    """A hash that changes when anything that the index found does."""
    digest = hashlib.sha256()
    for name in MANIFEST.names:
        digest.update("\x00".join(map(str, manifest.column(name).to_pylist())).encode())
    return digest.hexdigest()[:16]


def store(path: Path, manifest: pa.Table) -> bool:
    """Write a freshly listed manifest unless the same one stands there; True if it was new."""
    fingerprint = listing_fingerprint(manifest)
    if read_notes(path).get(_FINGERPRINT) == fingerprint:
        return False
    write_table(path, manifest, {_FINGERPRINT: fingerprint})
    return True


def settle(
    path: Path, problems: Mapping[str, tuple[str, str]], masks: Mapping[str, str]
) -> pa.Table:
    """The manifest with what decoding and mask reading found, written in place.

    Args:
        path: of the manifest.
        problems: image_id -> (status, message).
        masks: image_id -> mask status.
    """
    manifest, notes = pq.read_table(path), read_notes(path)
    ids = manifest.column("image_id").to_pylist()
    # A selected row was ok when it was listed; whatever it says now is an earlier settling.
    selected = manifest.column("selected").to_pylist()
    status, error = (manifest.column(name).to_pylist() for name in ("status", "error"))
    for row, (image_id, chosen) in enumerate(zip(ids, selected, strict=True)):
        if chosen:
            status[row], error[row] = problems.get(image_id, (OK, None))
    for name, values in (
        ("status", status),
        ("error", error),
        ("mask_status", [masks.get(image_id) for image_id in ids]),
    ):
        field = MANIFEST.field(name)
        column = pa.array(values, field.type)
        manifest = manifest.set_column(MANIFEST.get_field_index(name), field, column)
    write_table(path, manifest, notes)
    return manifest


def counted(manifest: pa.Table) -> dict[str, int]:
    """How many files there are of each fate; images = ok + failed + skipped + left_out."""
    status, selected = manifest.column("status"), manifest.column("selected")
    ok = pc.equal(status, OK)
    skipped = pc.is_in(status, value_set=pa.array(NOT_IMAGES))
    total = {
        "images": manifest.num_rows,
        "ok": _sum(pc.and_(ok, selected)),
        "skipped": _sum(skipped),
        "left_out": _sum(pc.and_(ok, pc.invert(selected))),
    }
    total["failed"] = total["images"] - total["ok"] - total["skipped"] - total["left_out"]
    return total


def _sum(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)
