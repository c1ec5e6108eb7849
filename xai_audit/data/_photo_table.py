"""Photos in the cells of Parquet files, read where they lie or out of their row group."""

from __future__ import annotations

import mmap
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.data._labels import as_label
from xai_audit.data._names import shown
from xai_audit.data._photo_columns import PhotoColumns, columns_of
from xai_audit.data._row_groups import cell
from xai_audit.data._window import Window, stored
from xai_audit.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.data._shard_index import Row

_BATCH = 64
_PLAIN = "UNCOMPRESSED"
# Of a compressed row group, which a process has to hold whole.
_LARGEST_GROUP = 2**30
REWRITE = "pyarrow.parquet.write_table(..., row_group_size=100, compression='none')"
_SUFFIXES = {b"\x89PNG": ".png", b"RIFF": ".webp", b"GIF8": ".gif", b"II*\0": ".tif",
             b"MM\0*": ".tif", b"BM": ".bmp"}  # fmt: skip


@dataclass(frozen=True)
class TableReader:
    """Reads Parquet files of photos.

    Attributes:
        image, label, split, group: the columns, None to find them or to do without.
    """

    image: str | None
    label: str | None
    split: str | None
    group: str | None
    suffixes: tuple[str, ...] = (".parquet", ".pq")

    def columns(self, shard: Path) -> PhotoColumns:
        """The columns of a file; DatasetError where they do not fit, ArrowException or OSError."""
        wanted = {key: getattr(self, key) for key in ("image", "label", "split", "group")}
        return columns_of(pq.read_schema(shard), shard, wanted)

    def packed(self, shard: Path) -> int:
        """The bytes that are unpacked to read one photo; 0 where photos are stored as they are."""
        photo = self.columns(shard).photo
        with pq.ParquetFile(shard) as table:
            groups = map(table.metadata.row_group, range(table.num_row_groups))
            chunks = [_chunk(group, photo) for group in groups]
        return max(
            (c.total_uncompressed_size for c in chunks if c.compression != _PLAIN), default=0
        )

    def rows(self, shard: Path) -> Iterator[Row]:
        """A row for each of the table's; one that cannot be read has a status."""
        try:
            columns = self.columns(shard)
        except (pa.ArrowException, OSError) as exc:
            fault = f"the table cannot be read: {exc}"
            yield {"name": b"", "status": "unreadable", "error": fault}
            return
        names = _names(shard, columns)
        for number, row in enumerate(_rows(shard, columns)):
            name = names[number] if names is not None else f"{number:06d}{row.pop('suffix')}"
            row.pop("suffix", None)
            yield row | {"name": os.fsencode(name), "row": number}

    def stream(self, shard: str, row: Row, mtime_ns: int) -> Window:
        """The bytes of one photo, from its place in the file, else out of its row group."""
        if row["offset"] is not None:
            return stored(shard, row["offset"], row["size"], mtime_ns)
        read = partial(cell, shard, mtime_ns, _photo(self, shard, mtime_ns), row["row"])
        return Window(read, row["size"], mtime_ns)


@lru_cache(128)
def _photo(reader: TableReader, shard: str, mtime_ns: int) -> str:
    """The path of the photos' bytes among the leaves of a file; read once, not for each photo."""
    del mtime_ns  # of the file as it is now
    return reader.columns(Path(shard)).photo


def _names(shard: Path, columns: PhotoColumns) -> list[str] | None:
    """The photos' own names, where each row has one of its own; else None."""
    if not columns.nested:
        return None
    try:
        with pq.ParquetFile(shard) as table:
            paths = table.read(columns=[f"{columns.image}.path"]).column(0)
        paths = pc.struct_field(paths, "path")
    except (pa.ArrowException, OSError, IndexError):
        return None
    if paths.null_count or not len(paths) or not pa.types.is_string(paths.type):
        return None
    names = [str(PurePosixPath(path.lstrip("/"))) for path in paths.to_pylist()]
    return names if len({*names}) == len(names) and "." not in names else None


def _rows(shard: Path, columns: PhotoColumns) -> Iterator[Row]:
    """Every row of the table, without its name but with the suffix that its bytes deserve."""
    with pq.ParquetFile(shard, memory_map=True) as table, _mapped(shard) as bytes_of_file:
        for group in range(table.num_row_groups):
            facts = table.metadata.row_group(group)
            place = _Place.of(facts, columns.photo, bytes_of_file)
            _check_size(place, shard)
            done = 0
            try:
                batches = table.iter_batches(_BATCH, row_groups=[group], columns=columns.read)
                for batch in batches:
                    for row in _of_batch(batch, columns, place):
                        done += 1
                        yield row
            except (pa.ArrowException, OSError) as exc:
                fault = f"row group {group} cannot be read: {exc}"
                lost = {"status": "unreadable", "error": fault, "suffix": ""}
                yield from (dict(lost) for _ in range(facts.num_rows - done))


def _of_batch(batch: pa.RecordBatch, columns: PhotoColumns, place: _Place) -> Iterator[Row]:
    """The rows of a batch."""
    photos = batch.column(columns.image)
    if columns.nested:
        photos = pc.struct_field(photos, "bytes")
    labels = batch.column(columns.label).to_pylist()
    nothing = [None] * batch.num_rows
    splits, groups = (
        nothing if name is None else batch.column(name).to_pylist()
        for name in (columns.split, columns.group)
    )
    for photo, label, split, group in zip(photos, labels, splits, groups, strict=True):
        row: Row = {"split": _text(split), "group": _text(group), "suffix": ""}
        try:
            # Hugging Face notes -1 where a class is not known.
            missing = columns.names is not None and label == -1
            row["label"] = None if missing else as_label(label)
        except ValueError as exc:
            row["error"] = str(exc)
        if not photo.is_valid:
            row |= {"status": "unreadable", "error": "the cell holds no bytes"}
        else:
            data = photo.as_buffer()
            row |= {"size": len(data), "offset": place.find(data), "suffix": _suffix(data)}
        yield row


class _Place:
    """Where the values of an uncompressed column chunk lie in the file, found one after another.

    Parquet stores them as they are unless the pages are compressed. What lies between them (their
    lengths, the pages' headers) need not be understood, since a value is found by its own bytes.
    """

    def __init__(self, data: mmap.mmap, start: int, end: int, packed: int) -> None:
        self._data, self._start, self._next, self._end = data, start, start, end
        self.packed = packed

    @classmethod
    def of(cls, facts: pq.RowGroupMetaData, photo: str, data: mmap.mmap) -> _Place:
        """That of the column ``photo`` in a row group; ``packed`` is its size if compressed."""
        chunk = _chunk(facts, photo)
        start = min(o for o in (chunk.dictionary_page_offset, chunk.data_page_offset) if o)
        packed = chunk.total_uncompressed_size if chunk.compression != _PLAIN else 0
        return cls(data, start, 0 if packed else start + chunk.total_compressed_size, packed)

    def find(self, value: pa.Buffer) -> int | None:
        """The offset of the next value in the file; None where it is not stored as it is."""
        if not self._end or not len(value):
            return None
        found = self._data.find(value, self._next, self._end)
        if found >= 0:
            self._next = found + len(value)
            return found
        # A value that comes again stands once in the chunk's dictionary.
        found = self._data.find(value, self._start, self._end)
        if found < 0:
            self._end = 0  # nor will the others be: do not search the chunk for each of them
            return None
        return found


def _chunk(facts: pq.RowGroupMetaData, photo: str) -> pq.ColumnChunkMetaData:
    """The column ``photo`` of a row group."""
    chunks = (facts.column(number) for number in range(facts.num_columns))
    return next(chunk for chunk in chunks if chunk.path_in_schema == photo)


def _check_size(place: _Place, shard: Path) -> None:
    """Raise DatasetError for compressed row groups that are too large to hold."""
    if place.packed > _LARGEST_GROUP:
        raise DatasetError(
            "a compressed row group is too large to read one photo from", where=shown(str(shard)),
            expected=f"at most {_LARGEST_GROUP >> 20} MB", got=f"{place.packed >> 20} MB",
            remedy=f"write the table again with {REWRITE}",
        )  # fmt: skip


@contextmanager
def _mapped(shard: Path) -> Iterator[mmap.mmap]:
    """The bytes of a file."""
    with shard.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _suffix(data: pa.Buffer) -> str:
    """By which a photo's name tells that it is one, even where its bytes are damaged."""
    start = bytes(data[:4])
    return next((s for magic, s in _SUFFIXES.items() if start.startswith(magic)), ".jpg")


def _text(value: Any) -> str | None:  # noqa: ANN401 - a cell
    return None if value is None or value == "" else shown(str(value))
