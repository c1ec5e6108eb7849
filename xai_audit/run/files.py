"""Atomic writes (a file is either whole or as it was before), and tables read a piece at a time."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from xai_audit.errors import OutputError
from xai_audit.run.unwritten import unwritten
from xai_audit.store.home import publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

_PREFIX = b"xai_audit."
# As it stands in files' names: letters and digits only, for dots separate a temporary's fields.
HOST = re.sub(r"[^A-Za-z0-9]+", "-", platform.node()) or "host"
_BATCH_ROWS = 65_536
# A whole number of parts (1024 files, 256 photos) of a large table, which readers of some of its
# rows read alone.
_GROUP_ROWS = 16_384


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary sibling of ``path`` that takes its place when the block ends well.

    Raises:
        OutputError: it cannot be written, or ``path`` is at home in a store that does not take it.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = f".{path.name}.{HOST}.{os.getpid()}."
        handle, name = tempfile.mkstemp(prefix=writer, suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        os.close(handle)
        yield temporary
        _fsync(temporary)
        temporary.chmod(0o666 & ~_umask())
        publish(temporary, path)
        temporary.replace(path)
        _fsync(path.parent)
    except OSError as exc:
        raise unwritten(path, exc, temporary) from exc
    finally:
        if temporary is not None:
            with suppress(OSError):  # gone, or its folder is read-only by now
                temporary.unlink()


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Put ``text`` at ``path``, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Put ``value`` at ``path`` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON is any
    """The value at ``path``, None where there is no readable JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_table(path: Path, table: pa.Table, notes: dict[str, str] | None = None) -> None:
    """Put ``table`` at ``path`` as Parquet, with ``notes`` in its metadata, atomically."""
    metadata = {_PREFIX + key.encode(): value.encode() for key, value in (notes or {}).items()}
    # Closed here: a writer that failed would keep the deleted file, and its place on the disk.
    with replacing(path) as temporary, pa.OSFile(str(temporary), "wb") as file:
        pq.write_table(
            table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata}),
            file,
            compression="zstd",
            row_group_size=_GROUP_ROWS,
        )


def read_notes(path: Path) -> dict[str, str]:
    """The notes of a Parquet file; empty where there is no readable file."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return {}
    return {
        key.removeprefix(_PREFIX).decode(): value.decode()
        for key, value in metadata.items()
        if key.startswith(_PREFIX)
    }


def content_hash(path: Path) -> str | None:
    """A hash of a file's bytes, None where there is no file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return None


def is_readable(path: Path) -> bool:
    """Whether ``path`` is a Parquet file with a whole footer."""
    try:
        pq.read_schema(path)
    except (OSError, pa.ArrowInvalid):
        return False
    return True


def scan(
    files: Sequence[Path],
    schema: pa.Schema,
    columns: Sequence[str],
    where: ds.Expression | None = None,
) -> Iterator[pd.DataFrame]:
    """The rows of ``files`` in frames of bounded size, ``columns`` only; absent ones are null.

    Raises:
        OutputError: a file is no Parquet file or holds other types than ``schema``.
    """
    if not files:
        return
    with reading(files):
        table = ds.dataset([str(file) for file in files], schema=schema, format="parquet")
        yield from _frames(table, columns, where)


def scan_table(
    table: pa.Table, columns: Sequence[str], where: ds.Expression | None = None
) -> Iterator[pd.DataFrame]:
    """The rows of a table in memory as :func:`scan` gives those of files."""
    return _frames(ds.dataset(table), columns, where)


def read_table(file: Path, schema: pa.Schema) -> pa.Table:
    """The whole table of one file in the columns of ``schema``; absent ones are null.

    Raises:
        OutputError: as :func:`scan`.
    """
    with reading([file]):
        return ds.dataset(str(file), schema=schema, format="parquet").to_table()


def _frames(
    table: ds.Dataset, columns: Sequence[str], where: ds.Expression | None
) -> Iterator[pd.DataFrame]:
    """Frames of up to ``_BATCH_ROWS`` rows, those of small files put together."""
    held: list[pa.RecordBatch] = []
    for batch in table.to_batches(columns=[*columns], filter=where, batch_size=_BATCH_ROWS):
        if held and sum(b.num_rows for b in held) + batch.num_rows > _BATCH_ROWS:
            yield pa.Table.from_batches(held).to_pandas()
            held = []
        if batch.num_rows:
            held.append(batch)
    if held:
        yield pa.Table.from_batches(held).to_pandas()


@contextmanager
def reading(files: Sequence[Path]) -> Iterator[None]:
    """Arrow's errors about ``files`` as one OutputError."""
    try:
        yield
    except (pa.ArrowException, OSError) as exc:
        raise OutputError(
            "a table of this run cannot be read",
            where=files[0] if len(files) == 1 else files[0].parent,
            got=exc,
            remedy="delete the broken file and run the same command again",
        ) from exc


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of ``frame`` as dictionaries, null of any spelling as None."""
    names = [*frame.columns]
    return [
        {key: None if _is_nan(value) else value for key, value in zip(names, values, strict=True)}
        for values in frame.itertuples(index=False, name=None)
    ]


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
