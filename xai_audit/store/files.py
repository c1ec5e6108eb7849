"""An object as what its readers want: a stream of its bytes, or a file of this machine."""

from __future__ import annotations

import atexit
import io
import os
import shutil
import tempfile
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path

from xai_audit.errors import ImageProblem
from xai_audit.store import cache
from xai_audit.store.address import is_remote, scheme_of, spelled
from xai_audit.store.failure import AbsentError, StoreError, StoreLostError
from xai_audit.store.remote import Stamp, download, read, stamp
from xai_audit.store.settings import settings

# A photo is read whole; what is larger than this is none, and would fill the memory.
_MOST_BYTES = 2**30
# Objects in a row, each with all its attempts, that a process gives up before the run ends: else
# every photo of the dataset would be waited for, and recorded as unreadable.
_IN_A_ROW = 12
# Scheme -> how many of them so far, in this process; and what it gave last.
_unanswered: Counter[str] = Counter()
_answered: dict[str, str] = {}


class Fetched(io.BytesIO):
    """The bytes of an object, with the time of its last change."""

    def __init__(self, content: bytes, mtime_ns: int | None) -> None:
        super().__init__(content)
        self.mtime_ns = mtime_ns


def fetched(path: str) -> Fetched:
    """The object at ``path``, from the cache where that is current, else in one request.

    Raises:
        StoreError: it cannot be read whole.
        StoreLostError: so was every object before it, for want of an answer.
        ImageProblem: ``too_large`` to be a photo.
    """
    store = scheme_of(path)
    try:
        found = _fetched(path)
    except StoreError as exc:
        _unanswered[store] = 0 if exc.lasting else _unanswered[store] + 1
        if _unanswered[store] < _IN_A_ROW or _answers(_answered.get(store)):
            raise
        raise StoreLostError(
            f"the store did not answer for {_unanswered[store]} files in a row",
            where=spelled(path),
            got=exc.strerror,
            remedy=exc.remedy,
        ) from exc
    _unanswered[store], _answered[store] = 0, path
    return found


def _answers(path: str | None) -> bool:
    """Whether the store still gives what it gave before: then it is the files that are odd."""
    try:
        return path is not None and bool(read(path))
    except StoreError as exc:
        return exc.lasting


def _fetched(path: str) -> Fetched:
    address, begin = spelled(path), time.time()
    found = _from_cache(cache.kept(address))
    if found is not None:
        return found
    version = stamp(path)
    found = _from_cache(cache.kept(address, version, begin))
    if found is not None:
        return found
    if version.size > _MOST_BYTES:
        raise ImageProblem("too_large", f"an object of {version.size} bytes")
    content, version = read(path, version)
    cache.keep(address, version, content, begin)
    return Fetched(content, version.mtime_ns)


def exists(path: Path) -> bool:
    """Whether there is an object at ``path``.

    Raises:
        StoreError: the store does not say.
    """
    if cache.kept(spelled(path)) is not None:
        return True
    try:
        stamp(path)
    except AbsentError:
        return False
    return True


def local_copy(path: Path) -> Path:
    """A file of this machine: ``path`` itself, or a copy of the object that goes with the process.

    Raises:
        StoreError: it cannot be read whole.
    """
    if not is_remote(path):
        return path
    return _copied(os.fspath(path), settings().since, os.getpid())


def noted_stamp(path: str) -> Stamp | None:
    """What the object at ``path`` was when the audit first asked; None where it cannot be had."""
    return _noted(path, settings().since)


@lru_cache(maxsize=65_536)
def _noted(path: str, since: float) -> Stamp | None:  # noqa: ARG001 - another audit asks again
    try:
        return stamp(path)
    except OSError:
        return None


def _from_cache(file: Path | None) -> Fetched | None:
    """The object from its file in the cache; None where that went meanwhile."""
    if file is None:
        return None
    size, _, mtime_ns = file.name.partition(".")
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if len(content) != int(size):
        return None
    return Fetched(content, None if mtime_ns == "None" else int(mtime_ns))


@lru_cache(maxsize=64)
def _copied(path: str, since: float, process: int) -> Path:  # noqa: ARG001 - see local_copy
    # The address is part of the name, so that messages about the copy name it.
    to = Path(f"{_folder(process)}{path}")
    to.parent.mkdir(parents=True, exist_ok=True)
    address = spelled(path)
    with cache.one_at_a_time(address):
        begin = time.time()
        file = cache.kept(address, stamp(path), begin)
        if file is None or not _linked(file, to):
            to.unlink(missing_ok=True)
            version = download(path, to)
            cache.keep(address, version, to, begin)
    return to


def _linked(file: Path, to: Path) -> bool:
    """Whether ``to`` now is ``file``, which another process may remove from the cache."""
    try:
        to.unlink(missing_ok=True)
        cache.link_or_copy(file, to)
    except OSError:
        return False
    return True


@lru_cache(maxsize=1)
def _folder(process: int) -> str:  # noqa: ARG001 - a forked process has its own
    folder = tempfile.mkdtemp(prefix="xai_audit_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
