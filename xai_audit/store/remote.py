"""Objects of a store: what a folder holds, what an object is, its bytes, whole or not at all.

Reading and writing are one request an object, so that another process sees the old one or the new.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from xai_audit.store.address import spelled
from xai_audit.store.request import called, file_system_of, tried
from xai_audit.store.settings import settings

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

_SLOWEST = 256 * 1024  # bytes a second; what comes more slowly has stopped
_LISTING = 1800.0  # seconds; a folder of millions is hundreds of requests, each with its own limit
# What the stores' libraries call the time of change, and what changes with the content.
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")
_MARKS = ("ETag", "etag", "generation", "md5Hash", "blob_id", "oid")


@dataclass(frozen=True)
class Stamp:
    """What tells two versions of an object apart.

    Attributes:
        size: bytes.
        mtime_ns: time of its last change, the last nine digits from its ETag where it has one:
            stores note whole seconds. None where the store says neither.
    """

    size: int
    mtime_ns: int | None


@dataclass(frozen=True)
class Found:
    """One name in a folder of a store; ``stamp`` is None for a folder."""

    name: str
    stamp: Stamp | None

    @property
    def is_folder(self) -> bool:
        """Whether more names lie below."""
        return self.stamp is None


def listing(path: Path) -> list[Found]:
    """What lies in the folder at ``path``, sorted by name; the marker of the folder itself not.

    Raises:
        StoreError: it cannot be listed.
    """

    def attempt() -> list[Found]:
        files = file_system_of(path)
        base = str(files._strip_protocol(spelled(path))).rstrip("/")
        infos = called(files, "ls", base, detail=True, limit=_LISTING)
        found = []
        for info in infos:
            name = str(info["name"])[len(base) :].removeprefix("/")
            is_folder = info["type"] == "directory"
            if name or is_folder:
                found.append(Found(name, None if is_folder else _stamp(info)))
        return sorted(found, key=lambda each: each.name)

    return tried(path, attempt)


def stamp(path: str | os.PathLike[str]) -> Stamp:
    """Size and time of change of the object at ``path``, asked of the store now.

    Raises:
        StoreError: there is none, or the store does not say.
    """
    return tried(path, lambda: _asked(path))


def read(path: str | os.PathLike[str], known: Stamp | None = None) -> tuple[bytes, Stamp]:
    """All bytes of the object at ``path`` in one request, and what it was then.

    Args:
        path: of the object.
        known: its stamp, where the store was asked a moment ago.

    Raises:
        StoreError: it cannot be read whole.
    """
    before = [known]

    def attempt() -> tuple[bytes, Stamp]:
        # Only the first attempt trusts what is known: the object may have been replaced.
        found = before.pop() if before else None
        found = found or _asked(path)
        files, limit = file_system_of(path), _limit(found.size)
        content: bytes = called(files, "cat_file", spelled(path), limit=limit)
        _check_whole(len(content), found)
        return content, found

    return tried(path, attempt)


def download(path: str | os.PathLike[str], to: Path) -> Stamp:
    """What the object at ``path`` was when the file ``to`` was made of it.

    Raises:
        StoreError: it cannot be read whole.
    """

    def attempt() -> Stamp:
        found = _asked(path)
        called(file_system_of(path), "get_file", spelled(path), str(to), limit=_limit(found.size))
        _check_whole(to.stat().st_size, found)
        return found

    return tried(path, attempt)


def below(path: Path) -> dict[str, Stamp]:
    """Every object below the folder at ``path``, by its path relative to it.

    Raises:
        StoreError: it cannot be listed.
    """

    def attempt() -> dict[str, Stamp]:
        files = file_system_of(path)
        base = str(files._strip_protocol(spelled(path))).rstrip("/")
        infos = called(files, "find", base, detail=True, limit=_LISTING)
        found = {str(info["name"])[len(base) :].lstrip("/"): info for info in infos.values()}
        return {name: _stamp(info) for name, info in found.items() if name}

    return tried(path, attempt)


def upload(file: Path, path: Path) -> Stamp:
    """Put ``file`` at ``path``, whole or not at all; what the object is then.

    Raises:
        StoreError: it cannot be written.
    """
    size = file.stat().st_size

    def attempt() -> Stamp:
        files = file_system_of(path)
        called(files, "put_file", str(file), spelled(path), limit=_limit(size))
        found = _asked(path)
        _check_whole(found.size, Stamp(size, None))
        return found

    return tried(path, attempt)


def delete(path: Path) -> None:
    """See that there is no object at ``path``.

    Raises:
        StoreError: it cannot be deleted.
    """

    def attempt() -> None:
        limit = settings().timeout + 1
        with suppress(FileNotFoundError):
            called(file_system_of(path), "rm_file", spelled(path), limit=limit)

    tried(path, attempt)


def _asked(path: str | os.PathLike[str]) -> Stamp:
    info = called(file_system_of(path), "info", spelled(path), limit=settings().timeout + 1)
    if info["type"] == "directory":
        raise FileNotFoundError(spelled(path))
    return _stamp(info)


def _limit(size: int) -> float:
    """Seconds that all bytes of an object may take."""
    return settings().timeout + 1 + size / _SLOWEST


def _check_whole(size: int, found: Stamp) -> None:
    if size != found.size:
        message = f"{size} of {found.size} bytes came"
        raise ConnectionError(message)


def _stamp(info: Mapping[str, Any]) -> Stamp:
    when = next((info[key] for key in _TIMES if info.get(key) is not None), None)
    mark = next((info[key] for key in _MARKS if info.get(key)), None)
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if isinstance(when, datetime):
        when = when.timestamp()
    if mark is None:
        return Stamp(int(info["size"]), None if when is None else round(when * 10**9))
    digest = hashlib.sha256(str(mark).strip('"').encode()).digest()
    last = int.from_bytes(digest[:7], "big")
    return Stamp(int(info["size"]), last if when is None else int(when) * 10**9 + last % 10**9)
