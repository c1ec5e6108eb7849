"""Photos out of compressed row groups of Parquet files; a process keeps the last few groups."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from functools import lru_cache
from itertools import accumulate, chain

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# Bytes of the groups that are kept; the last one is, however large.
_MOST = 2**27

Key = tuple[str, int, str, int]


class _Kept:
    """The row groups used last."""

    def __init__(self) -> None:
        self._groups: OrderedDict[Key, pa.ChunkedArray] = OrderedDict()
        self._bytes = 0
        self.unlocked()

    def unlocked(self) -> None:
        """A lock of its own for a forked process: another thread may have held the old one."""
        self._lock = threading.Lock()

    def group(self, key: Key) -> pa.ChunkedArray:
        """The photos of a row group, kept or read now."""
        with self._lock:
            found = self._groups.get(key)
            if found is not None:
                self._groups.move_to_end(key)
                return found
        found = _read(*key)  # not under the lock: others read theirs meanwhile
        with self._lock:
            if key not in self._groups:
                self._groups[key] = found
                self._bytes += found.nbytes
            while self._bytes > _MOST and len(self._groups) > 1:
                self._bytes -= self._groups.popitem(last=False)[1].nbytes
        return found


_KEPT = _Kept()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_KEPT.unlocked)


def cell(shard: str, mtime_ns: int, photo: str, row: int, start: int, count: int) -> bytes:
    """``count`` bytes from ``start`` on of the photo in ``row``.

    Args:
        shard: the file.
        mtime_ns: of its last change; what is kept of an earlier one is not used.
        photo: the path of the photos' bytes among the table's leaves.
        row: of the table.
        start: in bytes of the photo.
        count: at most so many bytes.
    """
    starts = _starts(shard, mtime_ns)
    group = bisect_right(starts, row) - 1
    found = _KEPT.group((shard, mtime_ns, photo, group))[row - starts[group]]
    return bytes(memoryview(found.as_buffer())[start : start + count])


@lru_cache(128)
def _starts(shard: str, mtime_ns: int) -> list[int]:
    """The first row of each row group."""
    del mtime_ns  # of the file as it is now
    facts = pq.read_metadata(shard)
    sizes = (facts.row_group(group).num_rows for group in range(facts.num_row_groups))
    return list(accumulate(chain([0], sizes)))[:-1]


def _read(shard: str, mtime_ns: int, photo: str, group: int) -> pa.ChunkedArray:
    """The photos of one row group."""
    del mtime_ns
    with pq.ParquetFile(shard) as table:
        column = table.read_row_group(group, columns=[photo], use_threads=False).column(0)
    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
