"""The files that a dataset lists, none opened yet, and the manifest that their rows make."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.errors import AuditError, DatasetError, ImageProblem, PluginError
from xai_audit.run.labelling import labels_of
from xai_audit.run.sample import stratified
from xai_audit.schema import LISTING, MANIFEST, OK
from xai_audit.store.address import is_remote, spelled
from xai_audit.types import Entry
from xai_audit.vision.extras import NO_DECODER
from xai_audit.vision.opening import anywhere, local, opened, opener_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from xai_audit.types import DatasetSource
    from xai_audit.vision.opening import Opener

_ROWS = 16_384  # a record batch
_THREADS = 8
_REMEDY = "remedy: "  # in the error of a row


def listed(dataset: DatasetSource) -> pa.Table:
    """Every entry of ``dataset`` with its file's size and time of change, in LISTING.

    An entry whose class is none of the dataset's has the status ``no_class``.

    Raises:
        PluginError: the dataset failed, or lists what is no entry or one file twice.
    """
    listing = pa.Table.from_batches(_batches(dataset), schema=LISTING)
    usable = listing.filter(pc.is_null(listing.column("status"))).column("path")
    if pc.count_distinct(usable).as_py() < len(usable):
        counts = pc.value_counts(usable)
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
        raise PluginError(
            f"dataset {dataset.name} broke its contract",
            where=os.fsdecode(twice[0].as_py()),
            expected="every file once",
            got=f"{len(twice)} files more than once",
        )
    return listing


def _batches(dataset: DatasetSource) -> Iterator[pa.RecordBatch]:
    entries: list[Entry] = []
    names = {*dataset.class_names()}
    sets = bool(getattr(dataset, "several_labels", ""))
    with ThreadPoolExecutor(_THREADS) as pool:

        def batch() -> pa.RecordBatch:
            rows = list(pool.map(lambda entry: _row(entry, dataset, names, sets=sets), entries))
            entries.clear()
            return pa.RecordBatch.from_pylist(rows, schema=LISTING)

        for entry in _checked(dataset):
            entries.append(entry)
            if len(entries) == _ROWS:
                yield batch()
        yield batch()


def _checked(dataset: DatasetSource) -> Iterator[Entry]:
    """The entries; whatever a dataset of the user's raises is one line."""
    try:
        for entry in dataset.entries():
            if not isinstance(entry, Entry):
                raise PluginError(
                    f"dataset {dataset.name} broke its contract",
                    where="entries",
                    expected="an xai_audit.types.Entry",
                    got=repr(entry),
                )
            yield entry
    except AuditError:
        raise
    except Exception as exc:
        if type(dataset).__module__.startswith("xai_audit."):  # a bug here shows its traceback
            raise
        got = f"{type(exc).__name__}: {exc}"
        raise PluginError(f"dataset {dataset.name} failed", where="entries", got=got) from exc


def _row(
    entry: Entry, dataset: DatasetSource, names: Collection[str], *, sets: bool
) -> dict[str, Any]:
    status, error = entry.problem or (None, None)
    own = labels_of(entry.class_name or "") if sets else (entry.class_name,)
    if status is None and not {*own} <= {*names}:
        known = "no class" if entry.class_name is None else f"class {entry.class_name}"
        status, error = (
            "no_class",
            f"listed with {known}, which is not among the dataset's {len(names)}",
        )
    stamp = _stamp(entry, dataset) if status is None else {}
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


def _stamp(entry: Entry, dataset: DatasetSource) -> dict[str, int | None]:
    """Size and time of change of a photo; nothing where it cannot be reached."""
    if entry.stamp is not None:
        return {"file_bytes": entry.stamp[0], "mtime_ns": entry.stamp[1]}
    path = dataset.root / entry.path
    return _stored_stamp(path) if is_remote(path) else _file_stamp(path, opener_of(dataset))


def _stored_stamp(path: Path) -> dict[str, int | None]:
    from xai_audit.store.remote import stamp

    try:
        found = stamp(path)
    except OSError:
        return {}
    return {"file_bytes": found.size, "mtime_ns": found.mtime_ns}


def _file_stamp(path: Path, opener: Opener) -> dict[str, int | None]:
    try:
        found = path.stat()
    except (OSError, ValueError):
        if opener in (local, anywhere):
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


def manifest_of(
    rows: pa.Table, root: Path, *, labels: Mapping[str, int], limit: int | None, seed: int
) -> pa.Table:
    """The manifest of probed ``rows``, with labels and the rows that a run uses.

    Args:
        rows: in MANIFEST, ``label`` and ``selected`` still empty.
        root: of the dataset, for the error.
        labels: class name -> model output index.
        limit: class-stratified sample of so many images, None for all.
        seed: draws the sample.

    Raises:
        DatasetError: not one usable image.
    """
    usable = pc.equal(rows.column("status"), OK)
    if not pc.any(usable).as_py():
        statuses = Counter(rows.column("status").to_pylist()).most_common(3)
        errors = rows.column("error").to_pylist()
        told = Counter(e.rpartition(_REMEDY)[2] for e in errors if e and _REMEDY in e)
        raise DatasetError(
            "no usable image",
            where=spelled(root),
            expected="photos that Pillow can read",
            got=", ".join(f"{count} {status}" for status, count in statuses) or "an empty folder",
            remedy=max(told, key=told.__getitem__, default="check dataset.root"),
        )
    if limit is not None:
        usable = pa.array(stratified(rows, usable.to_numpy(), limit, seed))
    label = pa.array(map(labels.get, rows.column("class_name").to_pylist()), pa.int32())
    rows = _with(rows, "image_id", _distinct(rows.column("image_id").to_pylist()))
    return _with(_with(rows, "label", label), "selected", usable)


def undecodable(rows: pa.Table) -> Counter[str]:
    """Why photos have no decoder, each reason with the number of its photos."""
    return Counter(rows.filter(pc.equal(rows.column("status"), NO_DECODER))["error"].to_pylist())


def look_alikes(names: Iterable[str]) -> list[str]:
    """The names that are another's in another Unicode form, each group as text with escapes."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(unicodedata.normalize("NFC", name), []).append(name)
    return [" and ".join(map(ascii, found)) for found in groups.values() if len(found) > 1]


def _distinct(ids: list[str]) -> pa.Array:
    """``ids`` with a number appended to those that occur again.

    A byte that is escaped and the same four letters give the same id, and parts are probed
    independently.
    """
    seen: set[str] = set()
    for row, image_id in enumerate(ids):
        if "\\x" in image_id:
            plain, number = image_id, 1
            while image_id in seen:
                number += 1
                image_id = f"{plain}~{number}"
            seen.add(image_id)
            ids[row] = image_id
    return pa.array(ids, pa.string())


def _with(rows: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(MANIFEST.get_field_index(name), MANIFEST.field(name), column)
