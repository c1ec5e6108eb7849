"""The files below a folder of an object store, in the order of the same folder on a disk."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from xai_audit.errors import DatasetError
from xai_audit.store.address import spelled
from xai_audit.store.remote import listing
from xai_audit.types import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from xai_audit.data._clutter import Clutter
    from xai_audit.store.remote import Found

# Folders that are listed before they are needed: each is a request, and classes are many.
_AHEAD = 8
_NO_PATH = ("unreadable", "a key with an empty part, . or .. is no path")


def folders(root: Path) -> list[str]:
    """The names of the folders in ``root``, sorted.

    Raises:
        DatasetError: it cannot be listed.
    """
    return [each.name for each in _listed(root) if each.is_folder and _is_path(each.name)]


def walk(root: Path, clutter: Clutter) -> Iterator[tuple[str, Entry]]:
    """(first part of the path, entry without a class) of every object below ``root``.

    What is clutter is left out and counted.

    Folders depth first, names sorted. Memory is that of the listings from the root down to one
    folder and of the few listed ahead.

    Raises:
        DatasetError: a folder cannot be listed.
    """
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="listing") as pool:
        yield from _walk(root, "", _listed(root), pool, clutter)


def _walk(
    root: Path, prefix: str, listed: list[Found], pool: ThreadPoolExecutor, clutter: Clutter
) -> Iterator[tuple[str, Entry]]:
    found = [each for each in listed if not _is_path(each.name) or clutter.is_kept(each.name)]
    inner = (each for each in found if each.is_folder and _is_path(each.name))

    def begun(count: int) -> list[Future[list[Found]]]:
        return [pool.submit(_listed, root / prefix / each.name) for each in islice(inner, count)]

    ahead = deque(begun(_AHEAD))
    for each in found:
        path = prefix + each.name
        if not _is_path(each.name):
            yield _entry(f"{path}/" if each.is_folder else path, None)
        elif each.is_folder:
            below = ahead.popleft().result()
            ahead.extend(begun(1))
            yield from _walk(root, f"{path}/", below, pool, clutter)
        else:
            yield _entry(path, each)


def _entry(path: str, found: Found | None) -> tuple[str, Entry]:
    """(first part of the path, entry) of an object, or of what no path can stand for."""
    stamp = None if found is None or found.stamp is None else found.stamp
    return path.partition("/")[0], Entry(
        path,
        None,
        problem=_NO_PATH if found is None else None,
        stamp=None if stamp is None else (stamp.size, stamp.mtime_ns),
    )


def _is_path(name: str) -> bool:
    """Whether a path can have the part ``name``."""
    return name not in ("", ".", "..")


def _listed(folder: Path) -> list[Found]:
    try:
        return listing(folder)
    except OSError as exc:
        raise DatasetError(
            "dataset.root cannot be listed",
            where=spelled(folder),
            expected="a folder of an object store, DIR/<class>/<file>",
            got=exc.strerror,
            remedy=getattr(exc, "remedy", "correct dataset.root"),
        ) from exc
