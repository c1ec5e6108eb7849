"""Which files of a table of photos may have the rows of some of them."""

from __future__ import annotations

import sys
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from xai_audit.run.files import reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def files_with(files: Sequence[Path], ids: Sequence[str]) -> list[Path]:
    """Those of ``files``, tables of photos, that may have one of ``ids``, which are sorted.

    By the ranges of ids in their footers, each of which is read once a process.

    Raises:
        OutputError: a file cannot be read.
    """
    found = []
    with reading(files):
        for file in files:
            stat = file.stat()
            first, last = _id_range(file, stat.st_mtime_ns, stat.st_size)
            place = bisect_left(ids, first)
            if place < len(ids) and ids[place] <= last:
                found.append(file)
    return found


@lru_cache(maxsize=1 << 18)
def _id_range(file: Path, _mtime_ns: int, _size: int) -> tuple[str, str]:
    """The first and the last image id of a table of photos; from all to all where unknown."""
    metadata = pq.read_metadata(file)
    place = metadata.schema.names.index("image_id")
    groups = [metadata.row_group(n).column(place) for n in range(metadata.num_row_groups)]
    known = [group.statistics for group in groups if group.is_stats_set]
    known = [each for each in known if each.has_min_max]
    if not known or len(known) < len(groups):
        return "", chr(sys.maxunicode)
    return min(each.min for each in known), max(each.max for each in known)


def of_images(ids: Sequence[str]) -> ds.Expression:
    """The filter that keeps the rows of images ``ids``, which are sorted."""
    # Typed, for Arrow could not infer the type of none.
    where = ds.field("image_id").isin(pa.array(ids, pa.string()))
    if ids:  # by the range of their ids Arrow skips row groups unread
        where = where & (ds.field("image_id") >= ids[0]) & (ds.field("image_id") <= ids[-1])
    return where
