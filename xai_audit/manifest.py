"""The manifest: every file found, once, with what became of it, and which rows a run uses."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.data.index import probe_all
from xai_audit.errors import DatasetError
from xai_audit.io import write_table
from xai_audit.schema import MANIFEST, OK
from xai_audit.types import ImageRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from xai_audit.types import DatasetSource

# Statuses of files that never were images of the audit; they do not count as failed.
NOT_IMAGES = ("unsupported", "no_class", "symlink_loop")

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
        usable = pa.array(stratified(table, usable.to_numpy(), settings.limit, settings.seed))
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


def drawn(rows: pa.Table, limit: int, seed: int) -> pa.Table:
    """A sample of at most ``limit`` usable rows of a manifest, each class its share, in order."""
    usable = pc.equal(rows.column("status"), OK).to_numpy(zero_copy_only=False)
    limit = min(limit, int(usable.sum()))
    if not limit:
        return rows.slice(0, 0)
    return rows.filter(pa.array(stratified(rows, usable, limit, seed))).combine_chunks()


def stratified(table: pa.Table, usable: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Which rows (bool) a sample of ``limit`` takes: each class its share, largest remainders.

    The rank of an image is a hash of the seed and its id, so that a larger limit keeps the
    smaller one's images of every class.
    """
    ids = table.column("image_id").to_pylist()
    rows = np.flatnonzero(usable)
    names = np.array(table.column("class_name").to_pylist(), dtype=object)[rows]
    _, classes, sizes = np.unique(names.astype(str), return_inverse=True, return_counts=True)
    ranks = np.array([rank(seed, ids[row]) for row in rows], dtype=np.uint64)
    order = np.lexsort((ranks, classes))  # class by class, each in the order of its ranks
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = order[place < np.repeat(_quotas(sizes, limit), sizes)]
    chosen = np.zeros(len(usable), dtype=bool)
    chosen[rows[kept]] = True
    return chosen


def _quotas(sizes: np.ndarray, limit: int) -> np.ndarray:
    """Images of each class in a sample of ``limit``, proportional, by largest remainders."""
    exact = sizes * min(limit, int(sizes.sum())) / sizes.sum()
    quotas: np.ndarray = np.floor(exact).astype(int)
    left = min(limit, int(sizes.sum())) - int(quotas.sum())
    quotas[np.argsort(-(exact - quotas), kind="stable")[:left]] += 1
    return quotas


def rank(seed: int, *texts: str) -> int:
    """A number in 0..2^64 that ``seed`` and ``texts`` decide: draws by it ignore any order."""
    text = "/".join((str(seed), *texts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


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
    for name in ("image_id", "class_name", "label", "file_bytes", "mtime_ns"):
        digest.update("\x00".join(map(str, rows.column(name).to_pylist())).encode())
    return digest.hexdigest()[:16]


def masks_fingerprint(manifest: pa.Table) -> str:
    """A hash that changes when a mask file that the dataset itself names does."""
    digest = hashlib.sha256()
    for name in manifest.column("mask").to_pylist():
        if name is not None:
            try:
                found = Path(name).stat()
                stamp = (found.st_size, found.st_mtime_ns)
            except OSError:
                stamp = None
            digest.update(f"{name}\x00{stamp}\x00".encode())
    return digest.hexdigest()[:16]


def listing_fingerprint(manifest: pa.Table) -> str:
    """A hash that changes when anything that the index found does."""
    digest = hashlib.sha256()
    for name in MANIFEST.names:
        digest.update("\x00".join(map(str, manifest.column(name).to_pylist())).encode())
    return digest.hexdigest()[:16]


def store(path: Path, manifest: pa.Table) -> None:
    """Write a freshly listed manifest."""
    write_table(path, manifest)


def settle(
    path: Path, problems: Mapping[str, tuple[str, str]], masks: Mapping[str, str]
) -> pa.Table:
    """The manifest with what decoding and mask reading found, written in place.

    Args:
        path: of the manifest.
        problems: image_id -> (status, message).
        masks: image_id -> mask status.
    """
    manifest = pq.read_table(path)
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
    write_table(path, manifest)
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


def failed_fraction(manifest: pa.Table) -> float:
    """The larger of: files that could not be listed of all images, and chosen ones that failed.

    Two populations, because a sample (``limit``) is drawn from what could be listed.
    """
    counts = counted(manifest)
    chosen = _sum(manifest.column("selected"))
    failed_later = chosen - counts["ok"]
    usable = chosen + counts["left_out"]
    failed_first = counts["failed"] - failed_later
    return max(
        failed_first / max(failed_first + usable, 1),
        failed_later / max(chosen, 1),
    )


def _sum(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)
