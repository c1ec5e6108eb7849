"""Folders at home in a store, which this machine works on in a copy.

``SCRATCH/s3:/bucket/run`` is the copy of ``s3://bucket/run``: each path in it tells its address
(:func:`~xai_audit.store.address.spelled`). A file is put into the store before it appears in the
copy and is deleted there before it goes here, so that at any time the store holds all that the copy
does. A file of the copy has its object's time of change; what differs is fetched.

Why a copy and not a file system over the network: tables are read many times, by libraries that
want files, and a commit is then one request.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.errors import OutputError
from xai_audit.store.address import home_of, spelled
from xai_audit.store.failure import AbsentError, StoreError
from xai_audit.store.remote import below, delete, download, listing, stamp, upload
from xai_audit.store.settings import settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from xai_audit.store.remote import Stamp

_THREADS = 8
_TEMPORARY = ".tmp"
_CHANGING = "cannot write; everything finished so far is kept"
_READING = "cannot read the output folder"


def copy_of(home: Path) -> Path:
    """The folder of this machine in which the folder at ``home`` is worked on, made.

    Raises:
        OutputError: it cannot be made, or is somebody else's.
    """
    chosen = settings().scratch
    base = Path(chosen or Path(tempfile.gettempdir(), f"xai_audit_runs_{os.getuid()}"))
    folder, reason = Path(f"{base}{home}"), None
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        # In a temporary folder anybody may have made one of this name.
        if chosen is None and base.lstat().st_uid != os.getuid():
            reason = "it belongs to somebody else"
        else:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        reason = exc.strerror or str(exc)
    if reason is not None:
        remedy = "store.scratch=A_FOLDER_THAT_YOU_CAN_WRITE"
        raise OutputError("no place for a copy of the run", where=base, got=reason, remedy=remedy)
    return folder


def publish(file: Path, path: Path) -> None:
    """Put ``file`` into the store at the home of ``path``, whose place it is about to take.

    Raises:
        OutputError: the store does not take it.
    """
    if (home := home_of(path)) is not None:
        with _told(_CHANGING, home):
            _mark(file, upload(file, home))


def withdraw(path: Path) -> None:
    """Delete ``path``, first where it is at home; there may be no such file.

    Raises:
        OutputError: the store does not let it go.
    """
    if (home := home_of(path)) is not None:
        with _told(_CHANGING, home):
            delete(home)
    path.unlink(missing_ok=True)


def names(folder: Path) -> set[str]:
    """What lies in ``folder`` where it is at home.

    Raises:
        OutputError: it cannot be listed.
    """
    home = home_of(folder)
    if home is None:
        return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    with _told(_READING, home):
        try:
            return {found.name for found in listing(home)}
        except AbsentError:
            return set()


def fetch(folder: Path, *, spare: Collection[str] = (), own: str = "/") -> None:
    """Make ``folder`` what it is at home; nothing where it is of no copy.

    Args:
        folder: of a copy, or any other.
        spare: names in it that are not at home.
        own: how names of files begin that this machine alone writes, whose copy is the newer one.

    Raises:
        OutputError: it cannot be read.
    """
    home = home_of(folder)
    if home is None:
        return
    begun = time.time()
    with _told(_READING, home):
        wanted = {folder / name: found for name, found in below(home).items()}
    stale = [path for path, found in wanted.items() if not _is_version(path, found)]
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(_get, (path for path in stale if not path.name.startswith(own))))
    for path in {*folder.rglob("*")}.difference(wanted):
        kept = path.name.startswith((".", own)) or path.relative_to(folder).parts[0] in spare
        with suppress(FileNotFoundError):  # another process deletes it too
            # What has been put there since the listing stays.
            if not kept and path.is_file() and path.stat().st_ctime < begun:
                path.unlink()


def fetch_files(paths: Iterable[Path]) -> None:
    """Make each of ``paths`` what it is at home; nothing where it is of no copy.

    Raises:
        OutputError: one cannot be read.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(_update, paths))


def is_current(path: Path) -> bool:
    """Whether the file ``path`` is what it is at home; where it is of no copy it is.

    Raises:
        OutputError: the store does not say.
    """
    if (home := home_of(path)) is None:
        return True
    with _told(_READING, home):
        try:
            return _is_version(path, stamp(home))
        except AbsentError:
            return not path.exists()


def _update(path: Path) -> None:
    if not is_current(path):
        _get(path)


def _get(path: Path) -> None:
    """Make ``path`` the object that it is at home, whole or not at all."""
    home = home_of(path) or path
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_TEMPORARY, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _told(_READING, home):
            try:
                _mark(temporary, download(home, temporary))
                temporary.replace(path)
            except AbsentError:
                path.unlink(missing_ok=True)  # deleted meanwhile
    finally:
        temporary.unlink(missing_ok=True)


def _mark(file: Path, found: Stamp) -> None:
    """Give ``file`` its object's time of change."""
    if found.mtime_ns is not None:
        os.utime(file, ns=(found.mtime_ns, found.mtime_ns))


def _is_version(path: Path, found: Stamp) -> bool:
    try:
        here = path.stat()
    except OSError:
        return False
    return (here.st_size, here.st_mtime_ns) == (found.size, found.mtime_ns)


@contextmanager
def _told(what: str, home: Path) -> Iterator[None]:
    """A block in which what a store says is an OutputError."""
    try:
        yield
    except StoreError as exc:
        where = spelled(home)
        raise OutputError(what, where=where, got=exc.strerror, remedy=exc.remedy) from exc
