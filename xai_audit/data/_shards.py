"""The shards of a dataset: their photos in order, and the bytes of any of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from xai_audit.data._shard_files import found_shards
from xai_audit.data._shard_index import index_of
from xai_audit.types import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xai_audit.data._shard_index import Reader, Row, ShardIndex
    from xai_audit.data._window import Window


@dataclass(frozen=True)
class Shards:
    """The shards of a dataset; plain values, so that it can be sent to another process.

    Attributes:
        root: of the dataset.
        pattern: of the shards below it, None for all.
        key: that gives it, for errors.
        reader: of such shards.
    """

    root: Path
    pattern: str | None
    key: str
    reader: Reader

    def files(self) -> list[str]:
        """The shards' names, relative to the root, in order."""
        return found_shards(self.root, self.pattern, self.reader.suffixes, self.key)

    def indexes(self) -> Iterator[tuple[str, ShardIndex]]:
        """Each shard's name with its index, read anew where the shard has changed."""
        for name in self.files():
            found = (self.root / name).stat()
            shard = os.fspath(self.root / name)
            yield name, index_of(shard, found.st_size, found.st_mtime_ns, self.reader)

    def entries(self, classed: Callable[[Row], tuple[str | None, str]]) -> Iterator[Entry]:
        """An entry a row, shard by shard in the shards' order.

        Args:
            classed: a row -> its class, or None and why it has none.
        """
        for shard, index in self.indexes():
            for row in index:
                name, fault = classed(row)
                problem = None if name is not None else ("no_class", fault)
                if row["status"] is not None:
                    problem = row["status"], row["error"]
                path = os.fsdecode(row["name"])
                path = f"{shard}{os.sep}{path}" if path else shard  # the shard's own fault
                yield Entry(path, name, split=row["split"], group=row["group"], problem=problem)

    def unique(self, column: str) -> set[str]:
        """Every value of a column of all indexes."""
        values: set[str] = set()
        for _, index in self.indexes():
            values.update(pc.unique(index.rows.column(column).drop_null()).to_pylist())
        return values

    def open(self, path: str) -> Window:
        """The bytes of the photo at ``root`` / shard / name.

        Raises:
            FileNotFoundError: the shard has no such photo.
            OSError: it cannot be read.
        """
        parts = Path(path).relative_to(self.root).parts
        ends = [place for place, part in enumerate(parts, 1) if part.endswith(self.reader.suffixes)]
        if not ends:
            raise FileNotFoundError(path)
        shard = os.fspath(self.root.joinpath(*parts[: ends[0]]))
        found = os.stat(shard)  # noqa: PTH116 - a third of the time of Path's
        index = index_of(shard, found.st_size, found.st_mtime_ns, self.reader)
        row = index.find(os.fsencode("/".join(parts[ends[0] :])))
        if row is None or row["status"] is not None:
            raise FileNotFoundError(path)
        return self.reader.stream(shard, row, found.st_mtime_ns)
