"""The members of a tar with their places, read so that no damage ends it unnoticed."""

from __future__ import annotations

import os
import re
import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from xai_audit.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# As the webdataset library splits names: the key ends at the first dot of the last part.
_NAME = re.compile(r"((?:.*/|)[^./][^./]*)\.([^/]+)", re.DOTALL)
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
# tarfile raises the last three on hostile extended headers.
_DAMAGE = (tarfile.TarError, ValueError, OverflowError, EOFError)
_CHUNK = 2**20

Problem = tuple[str, str]


@dataclass(frozen=True)
class Member:
    """One file of a tar.

    Attributes:
        name: without a leading ``./`` or ``/``.
        key: its sample's: the name up to the first dot of its last part.
        part: what follows that dot, in small letters: ``jpg``, ``cls``; empty where there is none.
        offset, size: of its bytes in the tar.
        problem: (status, message) where they cannot be used.
    """

    name: str
    key: str
    part: str
    offset: int
    size: int
    problem: Problem | None = None


def check_plain(shard: Path) -> None:
    """Raise DatasetError where the shard is compressed: a photo of it could not be sought."""
    with shard.open("rb") as file:
        start = file.read(8)
    for magic, kind in _PACKED.items():
        if start.startswith(magic):
            raise DatasetError(
                "a compressed tar has no places to read single photos from", where=shard,
                expected="a plain .tar", got=kind,
                remedy=f"unpack the compression alone ({kind} -d); photos are compressed already",
            )  # fmt: skip


def members(file: BinaryIO) -> Iterator[Member | Problem]:
    """The files of a tar in order, and last what is wrong with the tar itself, if anything."""
    total = file.seek(0, os.SEEK_END)
    file.seek(0)
    count, archive = 0, None
    try:
        archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the file is the caller's
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined] # it would keep them all
            if not info.isdir():
                count += 1
                yield _member(info, total)
        fault = _after(file, archive.offset)
    except _DAMAGE as exc:
        fault = str(exc) or type(exc).__name__
        if archive is not None:
            fault = f"{fault} at byte {min(archive.offset, total)}"
    if fault is not None:
        yield "unreadable", f"the tar is damaged after {count} files: {fault}"
    elif count == 0:
        yield "empty", "the tar holds no file"


def _member(info: tarfile.TarInfo, total: int) -> Member:
    """The member that tarfile found in a tar of ``total`` bytes."""
    name = str(PurePosixPath(info.name.lstrip("/")))
    split = _NAME.fullmatch(name)
    key, part = split.groups() if split is not None else (name, "")
    problem = None
    if info.islnk() or info.issym():
        problem = "unsupported", "a link within the tar"
    elif not info.isreg():
        problem = "unsupported", "not a regular file"
    elif info.sparse is not None:
        problem = "unsupported", "stored with holes (sparse)"
    elif info.offset_data + info.size > total:
        left = max(total - info.offset_data, 0)
        problem = "unreadable", f"the tar is cut short: {left} of {info.size} bytes"
    return Member(name, key, part.lower(), info.offset_data, info.size, problem)


def _after(file: BinaryIO, offset: int) -> str | None:
    """What is wrong where tarfile has ended: at a block of zeros, of nothing, or at a bad one."""
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        return "it ends without its end mark, as one that is cut short does"
    if block.strip(b"\0"):
        return f"a broken header at byte {offset}; what follows is not read"
    place = offset + len(block)
    while chunk := file.read(_CHUNK):
        if chunk.strip(b"\0"):
            return f"more data after its end mark, from byte {place} on, as in joined tars"
        place += len(chunk)
    return None
