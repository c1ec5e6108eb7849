"""Mask folders and annotation files: whether they exist, where a mask is, fingerprints."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from xai_audit.errors import ConfigError, MaskProblem
from xai_audit.masks._coverage import CORRUPT, MISSING
from xai_audit.store.address import is_address, is_remote, placed, spelled
from xai_audit.store.files import exists, local_copy, noted_stamp
from xai_audit.store.remote import listing
from xai_audit.vision.frames import file_and_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.store.remote import Found
    from xai_audit.types import ImageRecord


def mask_folder(root: str) -> Path:
    """``masks.root`` as an absolute path; ConfigError where it is no folder."""
    folder = _placed(root)
    if is_remote(folder):
        return folder  # the fingerprint lists it
    if not folder.is_dir():
        raise ConfigError(
            "no such mask folder",
            where=f"masks.root={root}",
            expected="a folder",
            got="a file" if folder.exists() else "nothing there",
            remedy="set masks.root, or masks=none to do without masks",
        )
    return folder


def mask_file(file: str) -> Path:
    """``masks.file`` as an absolute path; ConfigError where it is no file."""
    path = _placed(file)
    if is_remote(path):
        return path
    if not path.is_file():
        raise ConfigError(
            "no such annotation file",
            where=f"masks.file={file}",
            expected="a file",
            got="a folder or device" if path.exists() else "nothing there",
            remedy="set masks.file, or masks=none to do without masks",
        )
    return path


def _placed(given: str) -> Path:
    """The user's path from the file system's root, or the path of an address."""
    return placed(given) if is_address(given) else Path(given).expanduser().absolute()


def annotation_file(path: Path) -> Path:
    """The annotation file at ``path`` as a file of this machine.

    Raises:
        ConfigError: its store does not give it.
    """
    try:
        return local_copy(path)
    except OSError as exc:
        raise ConfigError(
            "the annotation file cannot be read from its store",
            where=f"masks.file={spelled(path)}",
            got=reason(exc),
            remedy=getattr(exc, "remedy", "set masks.file"),
        ) from exc


def located(root: Path, image: ImageRecord, suffixes: Sequence[str], *, flat: bool = False) -> Path:
    """The photo's mask: ``<image_id>``, ``<class>/<stem>``, or ``<stem>`` if ``flat``, + suffix.

    The full image_id is tried first: with nested folders only it distinguishes equal stems.

    Raises:
        MaskProblem: ``missing``, ``corrupt`` where a folder may not be looked into.
    """
    file, frame = file_and_frame(image.path)
    own = "" if frame is None else f"#{frame}"  # a mask is that of its frame
    photo, stem = Path(file), f"{Path(file).stem}{own}"
    tried: list[str] = []
    for suffix in suffixes:
        places = [PurePosixPath(image.image_id.removesuffix(own)).with_suffix(suffix)]
        places[0] = places[0].with_stem(f"{places[0].stem}{own}")
        places.append(PurePosixPath(image.class_name, stem + suffix))
        places += [PurePosixPath(stem + suffix)] if flat else []
        for place in places:
            # An id or class that leaves the folder could name the photo itself.
            if place.is_absolute() or ".." in place.parts or root / place == photo:
                continue
            if _present(root / place):
                return root / place
            tried.append(shown(place))
    raise MaskProblem(MISSING, f"in {shown(root)} there is no {' or '.join(dict.fromkeys(tried))}")


def _present(path: Path) -> bool:
    """Whether the file exists; MaskProblem ``corrupt`` where that cannot be determined."""
    try:
        if is_remote(path):
            return exists(path)
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    # ValueError: a NUL in a name that a table gave.
    except (OSError, ValueError) as exc:
        raise MaskProblem(CORRUPT, f"cannot look for {shown(path)}: {reason(exc)}") from exc
    return True


def as_image_id(name: str) -> str:
    """A path from an annotation file in the spelling of image_id: POSIX, no leading ``./``."""
    return str(PurePosixPath(name if "/" in name else name.replace("\\", "/")))


def shown(path: os.PathLike[str]) -> str:
    r"""A path as valid unicode: bytes that are not UTF-8 become ``\xNN``."""
    return os.fsencode(spelled(path)).decode("utf-8", "backslashreplace")


def reason(exc: BaseException) -> str:
    """The message of an exception, without the path that an OSError repeats."""
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__


def file_stamp(path: Path) -> str:
    """A text that changes when the file is moved or written: path, size and mtime."""
    if is_remote(path):
        noted = noted_stamp(os.fspath(path))
        return f"{shown(path)} {noted}"
    status = path.stat()
    return f"{shown(path.resolve())} {status.st_size} {status.st_mtime_ns}"


def folder_stamp(root: Path, suffixes: Sequence[str]) -> str:
    """A hash of the sorted (name, size, mtime_ns) of every file below with one of the suffixes."""
    digest = hashlib.sha256()
    listed = _stored(root, tuple(suffixes)) if is_remote(root) else _listing(root, tuple(suffixes))
    for name, status in sorted(listed):
        digest.update(os.fsencode(name))
        digest.update(b"\0%d %d\n" % status)
    return digest.hexdigest()


def _stored(root: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Relative name and (size, mtime_ns) of each object below ``root``."""
    left = [""]
    while left:
        prefix = left.pop()
        for found in _names_in(root / prefix):
            if found.stamp is None:
                left += [f"{prefix}{found.name}/"] if found.name.strip("./") else []
            elif found.name.endswith(suffixes):
                yield prefix + found.name, (found.stamp.size, found.stamp.mtime_ns or 0)


def _names_in(folder: Path) -> list[Found]:
    try:
        return listing(folder)
    except OSError as exc:
        raise ConfigError(
            "the mask folder cannot be listed",
            where=f"masks.root={spelled(folder)}",
            expected="a folder of an object store",
            got=reason(exc),
            remedy=getattr(exc, "remedy", "set masks.root"),
        ) from exc


def _listing(root: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Relative name and (size, mtime_ns) of each file, through linked folders but no cycle."""
    seen: set[tuple[int, int]] = set()
    for folder, below, files in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        # Which of two links to one folder is met first must not depend on the disk's order.
        below.sort()
        for file in files:
            if file.endswith(suffixes):
                path = Path(folder, file)
                try:
                    status = path.stat()
                except OSError:
                    # A dangling link is no mask; load says `missing`.
                    continue
                name = os.path.relpath(path, root)
                yield name, (status.st_size, status.st_mtime_ns)
