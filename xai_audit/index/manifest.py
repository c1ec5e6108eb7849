"""The manifest: every file found, once, with the facts of its header, and the rows a run uses."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.errors import DatasetError
from xai_audit.run.sample import stratified
from xai_audit.schema import MANIFEST, OK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
        raise DatasetError(
            "no usable image",
            where=root,
            expected="photos that Pillow can read",
            got=", ".join(f"{count} {status}" for status, count in statuses) or "an empty folder",
            remedy="check dataset.root",
        )
    if limit is not None:
        usable = pa.array(stratified(rows, usable.to_numpy(), limit, seed))
    label = pa.array(map(labels.get, rows.column("class_name").to_pylist()), pa.int32())
    rows = _with(rows, "image_id", _distinct(rows.column("image_id").to_pylist()))
    return _with(_with(rows, "label", label), "selected", usable)


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
