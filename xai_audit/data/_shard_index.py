"""The index of a shard, a tar or Parquet file of photos: the place and label of each of them.

A shard is read through once. Its index is kept in the user's cache folder and memory-mapped: all
processes share it, and no memory grows with the dataset. It is an Arrow file and no Parquet, since
a row of it is found by bisection, without decoding the others.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Hashable
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.data._names import shown
from xai_audit.errors import OutputError
from xai_audit.run.files import replacing
from xai_audit.run.paths import safe_name
from xai_audit.run.user_cache import user_cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.data._window import Window

log = logging.getLogger(__name__)

# A photo of a shard: its name there, as the file system would spell it; its bytes, the offset None
# where they are not stored as they are; its row in a table; its label as stored, and the folder in
# its name; what is wrong, as in an Entry, or in ``error`` alone why the label cannot be read.
SCHEMA = pa.schema(
    [
        ("name", pa.large_binary()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("row", pa.int64()),
        ("label", pa.large_string()),
        ("folder", pa.large_string()),
        ("split", pa.string()),
        ("group", pa.large_string()),
        ("status", pa.string()),
        ("error", pa.large_string()),
    ]
)
Row = dict[str, Any]
_VERSION = b"1"
_ROWS = 16_384
# An open index holds a descriptor; few enough for any limit on them.
_OPEN = 128


class Reader(Hashable, Protocol):
    """How a kind of shard is read; frozen, its ``repr`` tells it from others."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of such shards."""

    def rows(self, shard: Path) -> Iterator[Row]:
        """A row of SCHEMA for each photo and each fault; the shard's own has an empty name."""

    def stream(self, shard: str, row: Row, mtime_ns: int) -> Window:
        """The bytes of one photo."""


class ShardIndex:
    """The photos of one shard, in its order; ``order`` sorts their names."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.rows = batch.select(SCHEMA.names)
        self._names = batch.column("name")
        self._order = batch.column("order").to_numpy()

    def __iter__(self) -> Iterator[Row]:
        """Every row, in the shard's order."""
        for start in range(0, self.rows.num_rows, _ROWS):
            yield from self.rows.slice(start, _ROWS).to_pylist()

    @property
    def labelled(self) -> bool:
        """Whether any sample has a label, be it one that cannot be read."""
        usable = self.rows.filter(pc.is_null(self.rows.column("status")))
        return any(usable.column(n).null_count < usable.num_rows for n in ("label", "error"))

    def find(self, name: bytes) -> Row | None:
        """The row of the photo ``name``; None where the shard has none."""
        low, high = 0, len(self._order)
        while low < high:
            middle = (low + high) // 2
            if self._names[int(self._order[middle])].as_py() < name:
                low = middle + 1
            else:
                high = middle
        if low == len(self._order):
            return None
        place = int(self._order[low])
        found = {field: self.rows.column(field)[place].as_py() for field in ("name", *_PLACE)}
        return found if found["name"] == name else None


_PLACE = ("offset", "size", "row", "status", "error")


@lru_cache(_OPEN)
def index_of(shard: str, size: int, mtime_ns: int, reader: Reader) -> ShardIndex:
    """The index of ``shard`` as it was changed last, from the cache or made now."""
    stamp = b"%s %d %d" % (_VERSION, size, mtime_ns)
    place = _place(shard, reader)
    batch = _mapped(place, stamp)
    if batch is None:
        made = _indexed(reader.rows(Path(shard)))
        made = made.replace_schema_metadata({b"stamp": stamp})
        try:
            # Closed here, as in run.files: a writer that failed would keep the deleted file.
            with (
                replacing(place) as temporary,
                pa.OSFile(str(temporary), "wb") as file,
                pa.ipc.new_file(file, made.schema) as writer,
            ):
                writer.write_batch(made)
        except OutputError as exc:
            log.warning("the index of %s is not kept: %s", shown(shard), exc.__cause__)
        batch = _mapped(place, stamp)
        batch = made if batch is None else batch
    return ShardIndex(batch)


def _place(shard: str, reader: Reader) -> Path:
    """The file of a shard's index in the user's cache folder."""
    key = hashlib.sha256(os.fsencode(shard) + b"\0" + repr(reader).encode()).hexdigest()[:24]
    return user_cache() / "shards" / f"{safe_name(shown(Path(shard).stem))[:80]}-{key}.arrow"


def _mapped(place: Path, stamp: bytes) -> pa.RecordBatch | None:
    """The index kept at ``place``; None where there is none of this shard and version."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(os.fspath(place)))
        if (reader.schema.metadata or {}).get(b"stamp") != stamp:
            return None
        batch = reader.get_batch(0)
    except (OSError, pa.ArrowException):
        return None
    return batch if batch.schema.names == [*SCHEMA.names, "order"] else None


def _indexed(rows: Iterator[Row]) -> pa.RecordBatch:
    """``rows`` with the order of their names; a name that comes again is a fault."""
    pieces = [pa.RecordBatch.from_pylist([], schema=SCHEMA)]
    while some := list(islice(rows, _ROWS)):
        pieces.append(pa.RecordBatch.from_pylist(some, schema=SCHEMA))
    table = pa.Table.from_batches(pieces).combine_chunks()
    again = _again(table.column("name"))
    if again:
        table = _renamed(table, again)
    order = pc.sort_indices(table.column("name")).cast(pa.int64())
    table = table.append_column("order", order).combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _again(names: pa.ChunkedArray) -> list[int]:
    """The rows whose name an earlier row has."""
    order = pc.sort_indices(names)
    ordered = names.take(order)
    same = pc.equal(ordered[1:], ordered[:-1]).to_numpy()
    return [int(row) for row in np.sort(order.to_numpy()[1:][same.astype(bool)])]


def _renamed(table: pa.Table, again: list[int]) -> pa.Table:
    """``table`` with a name and a status of their own for the rows ``again``."""
    rows = table.to_pylist()
    taken = {row["name"] for row in rows}
    for place in again:
        row, plain, number = rows[place], rows[place]["name"], 2
        while (name := b"%s~%d" % (plain, number)) in taken:
            number += 1
        taken.add(name)
        fault = f"{shown(os.fsdecode(plain))} comes again in the shard; the first one counts"
        row.update(name=name, status="unreadable", error=fault)
    return pa.Table.from_pylist(rows, schema=SCHEMA).combine_chunks()
