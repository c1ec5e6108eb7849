"""A photo inside a larger file, as a stream of its own."""

from __future__ import annotations

import io
import os
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from xai_audit.vision.opening import local

if TYPE_CHECKING:
    from collections.abc import Callable


class Window(io.RawIOBase):
    """The ``size`` bytes of a photo, read where they lie and when they are wanted.

    Args:
        read_at: (start, count) -> up to ``count`` bytes of the photo from ``start`` on.
        size: of the photo in bytes.
        mtime_ns: time of the last change of the file that holds it.
        release: called once when the stream is closed.
    """

    def __init__(
        self,
        read_at: Callable[[int, int], bytes],
        size: int,
        mtime_ns: int | None,
        *,
        release: Callable[[], None] | None = None,
    ) -> None:
        self.mtime_ns = mtime_ns
        self._read_at, self._size, self._release = read_at, size, release
        self._place = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new place, from the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            message = f"negative seek position {base + offset}"
            raise ValueError(message)
        self._place = base + offset
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """The number of bytes put into ``buffer``; 0 at the end."""
        count = max(min(len(buffer), self._size - self._place), 0)
        found = self._read_at(self._place, count) if count else b""
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)

    def close(self) -> None:
        """Release the file that holds the photo."""
        if not self.closed and self._release is not None:
            self._release()
        super().close()


def stored(file: str, offset: int, size: int, mtime_ns: int) -> Window:
    """The ``size`` bytes from ``offset`` on of a local file, as a stream of their own."""
    stream = local(file)
    return Window(partial(_read, stream, offset), size, mtime_ns, release=stream.close)


def _read(stream: BinaryIO, offset: int, start: int, count: int) -> bytes:
    stream.seek(offset + start)
    return stream.read(count)
