"""The manifest: every file found, once, with what became of it, and which rows a run uses."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.run.files import write_table
from xai_audit.schema import MANIFEST, OK
from xai_audit.types import ImageRecord

if TYPE_CHECKING:
    from collections.abc import Mapping


# Statuses of files that never were images of the audit; they do not count as failed.
NOT_IMAGES = ("unsupported", "no_class", "symlink_loop")


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
