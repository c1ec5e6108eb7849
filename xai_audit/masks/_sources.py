"""Mask folders and annotation files: whether they exist, where a mask is, fingerprints."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from xai_audit.errors import ConfigError, MaskProblem
from xai_audit.masks._coverage import CORRUPT, MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.types import ImageRecord


def mask_folder(root: str) -> Path:
    """``masks.root`` as an absolute path; ConfigError where it is no folder."""
    folder = Path(root).expanduser().absolute()
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
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise ConfigError(
            "no such annotation file",
            where=f"masks.file={file}",
            expected="a file",
            got="a folder or device" if path.exists() else "nothing there",
            remedy="set masks.file, or masks=none to do without masks",
        )
    return path


def located(root: Path, image: ImageRecord, suffixes: Sequence[str], *, flat: bool = False) -> Path:
    """The photo's mask: ``<image_id>``, ``<class>/<stem>``, or ``<stem>`` if ``flat``, + suffix.

    The full image_id is tried first: with nested folders only it distinguishes equal stems.

    Raises:
        MaskProblem: ``missing``, ``corrupt`` where a folder may not be looked into.
    """
    stem = Path(image.path).stem
    photo = Path(image.path)
    tried: list[str] = []
    for suffix in suffixes:
        places = [PurePosixPath(image.image_id).with_suffix(suffix)]
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
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def reason(exc: BaseException) -> str:
    """The message of an exception, without the path that an OSError repeats."""
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__


def file_stamp(path: Path) -> str:
    """A text that changes when the file is moved or written: path, size and mtime."""
    status = path.stat()
    return f"{shown(path.resolve())} {status.st_size} {status.st_mtime_ns}"


def folder_stamp(root: Path, suffixes: Sequence[str]) -> str:
    """A hash of the sorted (name, size, mtime_ns) of every file below with one of the suffixes."""
    digest = hashlib.sha256()
    for name, status in sorted(_listing(root, tuple(suffixes))):
        digest.update(os.fsencode(name))
        digest.update(b"\0%d %d\n" % status)
    return digest.hexdigest()


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
