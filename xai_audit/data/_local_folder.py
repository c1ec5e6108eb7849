"""The files below a folder of the file system, each once, links followed as far as is safe."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.data._names import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.data._clutter import Clutter

Problem = tuple[str, str]

# Of linked folders inside each other: a dozen that link to each other have millions of paths.
_MOST_LINKS = 2


@dataclass(frozen=True)
class _Folder:
    """A folder being walked.

    Attributes:
        prefix: its path with separator.
        left: what is left of its listing.
        identity: (device, inode).
        links: of the folders from the root to it, those that are links.
    """

    prefix: str
    left: Iterator[os.DirEntry[str]]
    identity: tuple[int, int]
    links: int


def local_files(
    root: Path, top: list[os.DirEntry[str]], clutter: Clutter, bounds: Path | None
) -> Iterator[tuple[str, bool, Problem | None]]:
    """(path relative to ``root``, whether it is a folder that cannot be entered, problem).

    Links that lead out of ``bounds`` are a problem; None: none is.
    """
    # A stack of our own: folders can nest deeper than Python's recursion limit.
    chain = [_Folder("", iter(top), _identity(root.stat()), 0)]
    while chain:
        entry = next(chain[-1].left, None)
        if entry is None:
            chain.pop()
            continue
        if not clutter.is_kept(entry.name):
            continue
        path = chain[-1].prefix + entry.name
        found = _outside(entry, bounds) or _inspect(entry, path, chain)
        if isinstance(found, _Folder):
            chain.append(found)
        else:
            yield path, found is not None and is_folder(entry), found


def _outside(entry: os.DirEntry[str], bounds: Path | None) -> Problem | None:
    """Why a link may not be followed: it leads to what lies outside of ``bounds``."""
    if bounds is None or not entry.is_symlink():
        return None
    end = Path(os.path.realpath(entry.path))
    if end.is_relative_to(bounds) or not _is_data(end):
        return None
    return "outside", (
        f"the link leads out of dataset.root, to {shown(os.fspath(end))}; "
        "remedy: dataset.links_outside=true"
    )


def _is_data(path: Path) -> bool:
    try:
        return path.is_file() or path.is_dir()
    except OSError:  # it may not be looked at
        return False


def _inspect(entry: os.DirEntry[str], path: str, chain: list[_Folder]) -> _Folder | Problem | None:
    """The folder to enter, why the entry cannot be used, or None for an ordinary file."""
    try:
        if entry.is_dir():
            identity = _identity(entry.stat())
            for ancestor in chain:
                if ancestor.identity == identity:
                    where = shown(ancestor.prefix) or "the root"
                    return "symlink_loop", f"the link leads back to {where}, which it lies in"
            links = chain[-1].links + entry.is_symlink()
            if links > _MOST_LINKS:
                return "symlink_loop", f"a linked folder inside {_MOST_LINKS} linked folders"
            return _Folder(path + os.sep, iter(listing(entry)), identity, links)
        if entry.is_file():
            return None
        if entry.is_symlink() and not Path(entry).exists():
            return "unreadable", f"broken link to {shown(os.fspath(Path(entry).readlink()))}"
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            return "symlink_loop", "the link leads to itself"
        return "unreadable", exc.strerror or str(exc)
    return "unsupported", "not a regular file"


def listing(folder: os.PathLike[str]) -> list[os.DirEntry[str]]:
    """The entries of ``folder``, sorted by name."""
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name)


def _identity(stat: os.stat_result) -> tuple[int, int]:
    """(device, inode): equal for two paths of one folder."""
    return stat.st_dev, stat.st_ino


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether ``entry`` is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        return False
