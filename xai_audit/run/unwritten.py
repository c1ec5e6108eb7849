"""Why something cannot be written (a full disk, a lost permission): one line for any library's."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xai_audit.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROBE = 2**16  # bytes
_REMEDIES = {
    errno.ENOSPC: "free disk space",
    errno.EDQUOT: "free disk space or have the quota raised",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "allow writing there"),
}


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """A block that writes and deletes files below ``root``.

    Raises:
        OutputError: the system does not let it: no place, no permission.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno not in _REMEDIES or not _is_of(exc, root):
            raise
        raise unwritten(exc.filename or root, exc) from exc


def _is_of(exc: OSError, root: Path) -> bool:
    """Whether it is not about a file elsewhere, which was to be read."""
    return exc.filename is None or Path(exc.filename).absolute().is_relative_to(root.absolute())


def unwritten(where: object, exc: OSError, temporary: Path | None = None) -> OutputError:
    """The error that nothing can be written at ``where``, as ``exc`` says.

    Args:
        where: what was to be written.
        exc: the system's, or that of a library.
        temporary: a file there that may be written once more to see why, where ``exc`` does not
            tell: so it is with PIL's encoders.
    """
    number = exc.errno or (None if temporary is None else _number(temporary))
    return OutputError(
        "cannot write; everything finished so far is kept",
        where=where,
        got=exc if number is None else os.strerror(number),  # exc.strerror may be a library's own
        remedy=f"{_REMEDIES.get(number or 0, 'see to the disk')}, then run the same command again",
    )


def _number(temporary: Path) -> int | None:
    """The system's number of the reason that ``temporary`` cannot be written; None: it can."""
    try:
        with temporary.open("ab", buffering=0) as file:
            file.write(bytes(_PROBE))
            os.fsync(file.fileno())
    except OSError as exc:
        return exc.errno
    return None
