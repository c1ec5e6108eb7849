"""The files that a dataset lists, none of them opened yet: the input of the index's parts."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xai_audit.errors import ImageProblem
from xai_audit.schema import LISTING
from xai_audit.types import Entry
from xai_audit.vision.opening import local, opened, opener_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xai_audit.types import DatasetSource
    from xai_audit.vision.opening import Opener

_ROWS = 16_384  # a record batch
_THREADS = 8


def listed(dataset: DatasetSource) -> pa.Table:
    """Every entry of ``dataset`` with its file's size and time of change, in LISTING."""
    return pa.Table.from_batches(_batches(dataset), schema=LISTING)


def _batches(dataset: DatasetSource) -> Iterator[pa.RecordBatch]:
    entries: list[Entry] = []
    with ThreadPoolExecutor(_THREADS) as pool:

        def batch() -> pa.RecordBatch:
            rows = list(pool.map(lambda entry: _row(entry, dataset), entries))
            entries.clear()
            return pa.RecordBatch.from_pylist(rows, schema=LISTING)

        for entry in dataset.entries():
            entries.append(entry)
            if len(entries) == _ROWS:
                yield batch()
        yield batch()


def _row(entry: Entry, dataset: DatasetSource) -> dict[str, Any]:
    status, error = entry.problem or (None, None)
    stamp = _stamp(dataset.root / entry.path, opener_of(dataset)) if status is None else {}
    return {
        "path": os.fsencode(entry.path),
        "mask": None if entry.mask is None else os.fsencode(entry.mask),
        "class_name": entry.class_name,
        "split": entry.split,
        "group": entry.group,
        "status": status,
        "error": error,
        **stamp,
    }


def _stamp(path: Path, opener: Opener) -> dict[str, int | None]:
    """Size and time of change of a photo; nothing where it cannot be reached."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        if opener is local:
            return {}
    else:
        return {"file_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
    try:
        with opened(os.fspath(path), opener) as photo:
            return {"file_bytes": photo.size, "mtime_ns": photo.mtime_ns}
    except ImageProblem:
        return {}


def entries_of(listing: pa.Table) -> list[Entry]:
    """The rows of ``listing`` as entries again."""
    return [
        Entry(
            path=os.fsdecode(row["path"]),
            class_name=row["class_name"],
            mask=None if row["mask"] is None else os.fsdecode(row["mask"]),
            split=row["split"],
            group=row["group"],
            problem=None if row["status"] is None else (row["status"], row["error"]),
        )
        for row in listing.to_pylist()
    ]


def rows_hash(listing: pa.Table) -> str:
    """A hash that changes when anything in ``listing`` does."""
    digest = hashlib.sha256()
    for name in LISTING.names:
        digest.update("\x00".join(map(str, listing.column(name).to_pylist())).encode())
    return digest.hexdigest()[:16]
