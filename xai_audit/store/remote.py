"""Objects of a store: what a folder holds, what an object is, its bytes, whole or not at all.

fsspec's file systems do the talking, one a process: the connections and the event loop of the
process that it was forked from would be shared. Every request has a time limit, and what fails for
a reason that may pass is tried again, here and not in the libraries, so that all stores are waited
for alike.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from xai_audit.store.address import scheme_of, spelled
from xai_audit.store.failure import failure
from xai_audit.store.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

T = TypeVar("T")

_SLOWEST = 256 * 1024  # bytes a second; what comes more slowly has stopped
_LISTING = 1800.0  # seconds; a folder of millions is hundreds of requests, each with its own limit
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # seconds between attempts
_CHOSEN_BY = ("AWS_", "AZURE_", "FSSPEC_", "GCSFS_", "GOOGLE_", "HF_", "HOME", "STORAGE_")
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
        files = _files(path)
        base = str(files._strip_protocol(spelled(path))).rstrip("/")
        infos = _called(files, "ls", base, detail=True, limit=_LISTING)
        found = []
        for info in infos:
            name = str(info["name"])[len(base) :].removeprefix("/")
            is_folder = info["type"] == "directory"
            if name or is_folder:
                found.append(Found(name, None if is_folder else _stamp(info)))
        return sorted(found, key=lambda each: each.name)

    return _tried(path, attempt)


def stamp(path: str | os.PathLike[str]) -> Stamp:
    """Size and time of change of the object at ``path``, asked of the store now.

    Raises:
        StoreError: there is none, or the store does not say.
    """
    return _tried(path, lambda: _asked(path))


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
        content: bytes = _called(_files(path), "cat_file", spelled(path), limit=_limit(found))
        _check_whole(len(content), found)
        return content, found

    return _tried(path, attempt)


def download(path: str | os.PathLike[str], to: Path) -> Stamp:
    """What the object at ``path`` was when the file ``to`` was made of it.

    Raises:
        StoreError: it cannot be read whole.
    """

    def attempt() -> Stamp:
        found = _asked(path)
        _called(_files(path), "get_file", spelled(path), str(to), limit=_limit(found))
        _check_whole(to.stat().st_size, found)
        return found

    return _tried(path, attempt)


def _tried(path: str | os.PathLike[str], attempt: Callable[[], T]) -> T:
    """The result of ``attempt``, made again after a while where its failure may pass."""
    retries = settings().retries
    for number in range(retries + 1):
        try:
            return attempt()
        except (TypeError, AttributeError, NameError):  # a bug, not a store's answer
            raise
        except Exception as exc:  # noqa: BLE001 - the libraries have no common error
            found = failure(exc, os.fspath(path))
            if found.lasting or number == retries:
                raise found from exc
        # Workers that failed together must not come back together; random's generator is not ours.
        longest = min(_FIRST_WAIT * 2**number, _LONGEST_WAIT)
        time.sleep(longest * random.SystemRandom().uniform(0.5, 1.0))
    raise AssertionError


def _asked(path: str | os.PathLike[str]) -> Stamp:
    info = _called(_files(path), "info", spelled(path), limit=settings().timeout + 1)
    if info["type"] == "directory":
        raise FileNotFoundError(spelled(path))
    return _stamp(info)


def _limit(found: Stamp) -> float:
    """Seconds that all of an object may take."""
    return settings().timeout + 1 + found.size / _SLOWEST


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


def _called(files: Any, name: str, *arguments: object, limit: float, **more: object) -> Any:  # noqa: ANN401 - fsspec is untyped
    """The result of a method of a file system of fsspec, which may take ``limit`` seconds."""
    from fsspec.asyn import AsyncFileSystem, sync

    if isinstance(files, AsyncFileSystem):
        return sync(files.loop, getattr(files, f"_{name}"), *arguments, timeout=limit, **more)
    return getattr(files, name)(*arguments, **more)


def _files(path: str | os.PathLike[str]) -> Any:  # noqa: ANN401 - fsspec is untyped
    """Fsspec's file system for ``path``, of this process."""
    # Endpoint and credentials are in the environment: where they change, so must the file system.
    chosen = tuple(sorted(item for item in os.environ.items() if item[0].startswith(_CHOSEN_BY)))
    return _file_system(scheme_of(path), settings().timeout, os.getpid(), chosen)


@lru_cache(maxsize=64)
def _file_system(scheme: str, timeout: float, process: int, chosen: object) -> Any:  # noqa: ANN401
    import fsspec

    del process, chosen  # they only tell one from another
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        own = dict(fsspec.config.conf.get("s3", {}).get("config_kwargs", {}))
        limits = {"connect_timeout": min(timeout, 5), "read_timeout": timeout}
        # One request an object: with more than one at a time the size is asked first.
        options |= {"config_kwargs": limits | own | {"retries": {"total_max_attempts": 1}}}
        options |= {"max_concurrency": 1}
    files = fsspec.filesystem(scheme, **options)
    if scheme == "s3":
        files.retries = 1  # attempts: its own would come on top of ours
    return files
