"""Rows of the manifest: records, counts, fingerprints, and the statuses that decoding found."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.schema import MANIFEST, OK, STATUSES
from xai_audit.store.address import is_remote, path_of
from xai_audit.store.files import noted_stamp
from xai_audit.types import ImageRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# Statuses of files that never were images of the audit; they do not count as failed.
NOT_IMAGES = ("unsupported", "no_class", "symlink_loop")
# The note of a manifest: bits of its grey photos that are stored in 16, where they use fewer.
BITS = "bits"
_HASHED_ROWS = 65_536  # at a time, so that a column of a million photos is not held as Python's


def record_of(manifest: pa.Table, index: int, root: Path) -> ImageRecord:
    """Row ``index`` of a manifest as an ImageRecord."""
    columns = (
        *("image_id", "raw_path", "class_name", "label", "height", "width", "mask"),
        *("file_bytes", "mtime_ns"),
    )
    row = {name: manifest.column(name)[index].as_py() for name in columns}
    raw = row.pop("raw_path")
    relative = row["image_id"] if raw is None else raw.decode("utf-8", "surrogateescape")
    return ImageRecord(path=str(root / relative), **row)


def content_fingerprint(manifest: pa.Table) -> str:
    """A hash that changes when a selected file, its class or its label does."""
    names = ("image_id", "class_name", "label", "file_bytes", "mtime_ns")
    rows = manifest.select([*names, "selected"]).filter(manifest.column("selected"))
    bits = (manifest.schema.metadata or {}).get(f"xai_audit.{BITS}".encode())
    return rows_hash(rows, names) + ("" if bits is None else f"-{bits.decode()}")


def rows_hash(rows: pa.Table, names: Sequence[str]) -> str:
    """A hash that changes when a value in one of the columns ``names`` does."""
    digest = hashlib.sha256()
    for name in names:
        between = ""
        for start in range(0, rows.num_rows, _HASHED_ROWS):
            values = rows.column(name).slice(start, _HASHED_ROWS).to_pylist()
            digest.update((between + "\x00".join(map(str, values))).encode())
            between = "\x00"
    return digest.hexdigest()[:16]


def masks_fingerprint(manifest: pa.Table) -> str:
    """A hash that changes when a mask file that the dataset itself names does."""
    digest = hashlib.sha256()
    for name in manifest.column("mask").to_pylist():
        if name is not None:
            digest.update(f"{name}\x00{_file_stamp(name)}\x00".encode())
    return digest.hexdigest()[:16]


def _file_stamp(name: str) -> tuple[int, int | None] | None:
    """Size and time of change of the file at ``name``, of the file system or of a store."""
    path = path_of(name)
    if is_remote(path):
        noted = noted_stamp(str(path))
        return None if noted is None else (noted.size, noted.mtime_ns)
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def with_statuses(manifest: pa.Table, path: Path) -> pa.Table:
    """``manifest`` with what decoding found, of the table of statuses at ``path``, if any."""
    if not path.is_file():
        return manifest
    found = pq.read_table(path).combine_chunks()
    if not found.num_rows:
        return manifest
    ids = found.column("image_id").combine_chunks()
    place = pc.index_in(manifest.column("image_id"), value_set=ids)
    for name in ("status", "error"):
        field, later = MANIFEST.field(name), found.column(name).combine_chunks().take(place)
        column = pc.if_else(place.is_valid(), later, manifest.column(name))
        manifest = manifest.set_column(MANIFEST.get_field_index(name), field, column)
    return manifest


def statuses_table(problems: Mapping[str, tuple[str, str]]) -> pa.Table:
    """The table of statuses of image_id -> (status, message)."""
    rows = [
        {"image_id": image_id, "status": status, "error": message}
        for image_id, (status, message) in sorted(problems.items())
    ]
    return pa.Table.from_pylist(rows, schema=STATUSES)


def counted(manifest: pa.Table) -> dict[str, int]:
    """The number of files by outcome; images = ok + failed + skipped + left_out."""
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
