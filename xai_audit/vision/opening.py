"""Opening a photo's bytes, in a file or elsewhere, so that no file can block the run.

Every reader of photos goes through :func:`opened`: index, decoder, cues and report. The bytes come
from ``DatasetSource.open(path)``, ``path`` being the dataset's ``root`` / the path of an entry:

- it returns a binary stream at its start that can seek, or the decoded photo
  (:func:`xai_audit.vision.pictures.streamed`), and is called by several threads and worker
  processes at once (where processes are spawned, the dataset is pickled);
- whatever it raises makes that one photo ``unreadable``; an ``ImageProblem`` names another status;
- a stream that is no file of the system may have ``mtime_ns``, an attribute by which the next run
  notices that the photo was changed; else only another size shows it;
- a dataset without the method has its photos in the file system: :func:`local`; one whose paths may
  be those of a store (:mod:`xai_audit.store`) has :func:`anywhere`.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from xai_audit.errors import AuditError, ImageProblem
from xai_audit.store.address import is_remote
from xai_audit.vision.frames import file_and_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xai_audit.types import DatasetSource

# Neither a pipe without a writer nor a terminal blocks.
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))

# Size in bytes and time of the last change of a photo when it was indexed; None where unknown.
Stamp = tuple[int | None, int | None]
_BEGAN = time.time_ns()  # of this process, or of the one that it is a fork of
_CHANGED = "it has changed since it was listed; remedy: run the same command again"

# DatasetSource.open: a photo's path -> its bytes, or the photo already decoded.
Opener = Callable[[str], Any]


@dataclass(frozen=True)
class Opened:
    """An open photo.

    Attributes:
        stream: its bytes; can seek.
        mtime_ns: time of its last change, None where unknown.
        stat: what the system says of it, None where it is no file of the system.
    """

    stream: BinaryIO
    mtime_ns: int | None
    stat: os.stat_result | None

    def check_unchanged(self, stamp: Stamp) -> None:
        """Refuse a file that is not the photo that was indexed: its rows would be of another.

        That is one of another size, or changed since this process began; a copy with another time,
        as each machine of a cluster may have its own, is the same photo. Nothing is read, and of a
        stream that is no file of the system nothing is known.

        Raises:
            ImageProblem: ``changed``.
        """
        if self.stat is None:
            return
        size, time_ns = stamp
        later = time_ns is not None and self.stat.st_mtime_ns > max(time_ns, _BEGAN)
        if later or size not in (None, self.stat.st_size):
            raise ImageProblem("changed", _CHANGED)

    @property
    def size(self) -> int:
        """Its number of bytes."""
        if self.stat is not None:
            return self.stat.st_size
        place = self.stream.tell()
        end = self.stream.seek(0, os.SEEK_END)
        self.stream.seek(place)
        return end


def local(path: str) -> BinaryIO:
    """The bytes of the file at ``path``; never waits for a pipe's writer.

    Raises:
        OSError, ValueError: as the built-in ``open``; ValueError for a NUL byte in the path.
    """
    return open(path, "rb", opener=_descriptor)  # noqa: PTH123, SIM115 - Path.open has no opener


def anywhere(path: str) -> BinaryIO:
    """The bytes of what lies at ``path``, in the file system or in a store.

    Raises:
        OSError, ValueError: as :func:`local`, and where the store does not give it whole.
        ImageProblem: an object too large to be a photo.
    """
    if not is_remote(path):
        return local(path)
    from xai_audit.store.files import fetched

    return fetched(path)


def opener_of(dataset: DatasetSource) -> Opener:
    """``dataset.open``, or :func:`local` for a plugin without it."""
    return getattr(dataset, "open", None) or local


@contextmanager
def opened(path: str, opener: Opener | None = None) -> Iterator[Opened]:
    """The photo at ``path``, open; of a frame the file that it is in.

    Args:
        path: as ``ImageRecord.path``.
        opener: the dataset's; None for a local file.

    Raises:
        ImageProblem: ``unreadable``, or ``unsupported`` where it is not a regular file.
    """
    file, _ = file_and_frame(path)
    try:
        found: Any = (opener or local)(file)
        stream: BinaryIO = found if hasattr(found, "read") else _streamed(found)
    except (ImageProblem, AuditError):
        raise
    except Exception as exc:  # what a user's dataset reads from may raise anything
        raise _unopened(exc) from exc
    with stream:
        raw = getattr(stream, "raw", stream)
        if not isinstance(raw, io.FileIO):
            own = io.BufferedReader(_Plain(stream))
            yield Opened(cast("BinaryIO", own), getattr(stream, "mtime_ns", None), None)
            return
        facts = os.fstat(raw.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ImageProblem("unsupported", "not a regular file")
        yield Opened(stream, facts.st_mtime_ns, facts)


class _Plain(io.RawIOBase):
    """A stream of some library with nothing but what PIL needs.

    That of a tar archive, for one, has a ``fileno`` that fails in a way PIL does not expect.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """Whether the stream is."""
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new place, from the start."""
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """The number of bytes put into ``buffer``; 0 at the end."""
        found = self._stream.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def _streamed(picture: object) -> BinaryIO:
    from xai_audit.vision.pictures import streamed

    return streamed(picture)


def _descriptor(path: str, flags: int) -> int:
    """The system's open file, for the built-in ``open``."""
    return os.open(path, flags | _FLAGS)


def _unopened(exc: Exception) -> ImageProblem:
    """Why a photo could not be opened."""
    # ENXIO: a socket.
    if isinstance(exc, OSError) and exc.errno in (errno.ENXIO, errno.EISDIR):
        return ImageProblem("unsupported", "not a regular file")
    if isinstance(exc, FileNotFoundError):
        return ImageProblem("unreadable", "no such file")
    reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return ImageProblem("unreadable", reason)
