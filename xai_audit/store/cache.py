"""Objects kept on this machine's disk: shared by all processes, never more than a number of bytes.

``FOLDER/ab/<digest of the address>/<size>.<mtime_ns>`` holds an object. Its name says which version
it is, its time of change when it was last compared with the store, its time of access when it was
last used; the least recently used go first. A file appears whole (temporary sibling, rename). The
sum of all sizes lies in one small file, and who writes holds a lock, so that the limit also holds
while several processes write. Whatever the disk refuses, the object is
read from the store: a cache that fails costs time, never a photo.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import stat
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.store.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.store.remote import Stamp

log = logging.getLogger(__name__)

_TOTAL = "total"
_AFTER = 0.8  # share that is left when files had to go, so that not every new file removes one
_OLD = 3600.0  # seconds; a temporary file of that age was left by a process that died


def kept(address: str, current: Stamp | None = None, since: float = 0.0) -> Path | None:
    """The file of the object at ``address``, or None where there is none that is surely current.

    Args:
        address: of the object.
        current: what the store says; None: a file that was compared since the audit began will do.
        since: when the store said so.
    """
    folder = _folder_of(address)
    if folder is None:
        return None
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = entry.stat()
            seen = found.st_mtime
            if not _is_whole(entry.name, found.st_size):
                continue
            if seen < settings().since if current is None else entry.name != _name(current):
                continue
            os.utime(entry.path, (time.time(), seen if current is None else max(seen, since)))
            return Path(entry.path)
    return None


def keep(address: str, version: Stamp, source: bytes | Path, since: float) -> None:
    """Keep the object at ``address``, if the disk allows.

    Args:
        address: of the object.
        version: which one it is.
        source: its bytes, or a file of them, which stays.
        since: when the store said so.
    """
    folder = _folder_of(address)
    if folder is None or version.size > settings().cache_bytes:
        return
    base = folder.parent.parent
    try:
        # All in one hand: what another process were about to write could not be counted.
        with _locked(base / "lock"):
            _make_room(base, version.size)
            _write(folder, version, source, since)
    except OSError as exc:
        _warn_once(str(base), exc.strerror or str(exc))


def _write(folder: Path, version: Stamp, source: bytes | Path, since: float) -> None:
    """Put the object's file in the place of its earlier versions."""
    beside = folder / f".{os.getpid()}-{threading.get_ident()}.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if isinstance(source, bytes):
            beside.write_bytes(source)
        else:
            link_or_copy(source, beside)
        os.utime(beside, (time.time(), since))
        beside.replace(folder / _name(version))
    finally:
        beside.unlink(missing_ok=True)
    for other in folder.glob("[0-9]*"):
        if other.name != _name(version):
            other.unlink(missing_ok=True)


def link_or_copy(source: Path, to: Path) -> None:
    """Make ``to`` the same file as ``source``, or a copy on another file system."""
    try:
        to.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, to)


@contextmanager
def one_at_a_time(address: str) -> Iterator[None]:
    """A block that one process of this machine at a time is in, for one object."""
    folder = _folder_of(address)
    if folder is None:
        yield
        return
    with _locked(folder.parent.parent / f"lock-{folder.name[:2]}"):
        yield


def _name(version: Stamp) -> str:
    return f"{version.size}.{version.mtime_ns}"


def _is_whole(name: str, size: int) -> bool:
    """Whether a file of ``size`` bytes is the whole object: a machine that lost power left less."""
    return name.partition(".")[0] == str(size)


def _folder_of(address: str) -> Path | None:
    """Where the versions of the object at ``address`` lie; None where nothing is kept."""
    chosen = settings()
    if chosen.cache_bytes <= 0:
        return None
    base = _base(chosen.cache)
    digest = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:40]
    return None if base is None else base / digest[:2] / digest


@lru_cache(maxsize=8)
def _base(chosen: str | None) -> Path | None:
    """The cache's folder, made; None where that is not possible or not safe."""
    own = Path(tempfile.gettempdir(), f"xai_audit_cache_{os.getuid()}")
    folder = own if chosen is None else Path(chosen)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        # In a temporary folder anybody may have made one of this name, and put files into it.
        if chosen is None and (not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid()):
            _warn_once(str(folder), "it belongs to somebody else")
            return None
    except OSError as exc:
        _warn_once(str(folder), exc.strerror or str(exc))
        return None
    return folder


@lru_cache(maxsize=64)
def _warn_once(folder: str, reason: str) -> None:
    log.warning("%s: no file is kept there (%s); store.cache=DIR names another", folder, reason)


def _make_room(base: Path, size: int) -> None:
    """Count ``size`` more bytes; files go where that would be too many."""
    most, total_file = settings().cache_bytes, base / _TOTAL
    try:
        total = int(total_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        total = most + 1  # counted anew
    if total + size > most:
        total = _emptied(base, max(int(most * _AFTER) - size, 0))
    total_file.write_text(str(total + size), encoding="ascii")


def _emptied(base: Path, most: int) -> int:
    """The bytes that are left after the files used longest ago went, at most ``most``."""
    files = []
    for path in base.glob("*/*/*"):
        with suppress(OSError):
            found = path.stat()
            if not path.name.startswith("."):
                files.append((found.st_atime, found.st_size, path))
            elif found.st_mtime < time.time() - _OLD:
                path.unlink()
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= most:
            break
        with suppress(OSError):
            path.unlink(missing_ok=True)
            total -= size
        with suppress(OSError):
            path.parent.rmdir()
    return total


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """A block that one process or thread of this machine at a time is in."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
