"""PNG whose text is no reason to refuse its pixels.

PIL reads every text and colour profile of a PNG into memory and refuses the photo where one is
large. Limits on metadata are none on pixels: here what is large is passed over, its bytes unread.
"""

from __future__ import annotations

import io
import os
import zlib
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO, cast

from PIL.PngImagePlugin import PngImageFile

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = 8  # bytes
_FRAME = 12  # bytes of a chunk beside its data: length, type, checksum
# What PIL itself takes of one chunk (its MAX_TEXT_CHUNK); of all a quarter of its limit.
_LARGEST = 2**20
_ALL = 16 * 2**20
_PACKED = {b"zTXt", b"iTXt", b"iCCP"}
_METADATA = {b"tEXt", b"eXIf", *_PACKED}

# (kind, place of its first byte, bytes of its data)
_Chunk = tuple[bytes, int, int]


class Png(PngImageFile):
    """PIL's reader, which passes over large metadata and ends with the pixels."""

    def _open(self) -> None:
        file = cast("BinaryIO", self.fp)
        spans = _wanted(file)
        if spans is not None:
            file = cast("BinaryIO", io.BufferedReader(_Spans(file, spans)))
        file.seek(0)
        self.fp = file
        super()._open()

    def load_end(self) -> None:
        """Nothing: what lies behind the pixels is not wanted, and may be large."""


def _wanted(file: BinaryIO) -> list[tuple[int, int]] | None:
    """(start, stop) of what is to be read of a PNG; None where that is all of it."""
    spans, start, kept, unpacked, whole = [], 0, 0, 0, True
    for kind, place, length in _chunks(file):
        size = length
        if kind in _PACKED and length <= _LARGEST:
            # Unpacking takes time, whether or not the text is kept.
            size = _expanded(file, kind, length) if unpacked < _ALL else _LARGEST + 1
            unpacked += size
        # A chunk of a kind that PIL does not know is kept in memory as well.
        large = kind[:1].islower() and size > _LARGEST
        if large or (kind in _METADATA and kept + size > _ALL):
            if start < place:
                spans.append((start, place))
            start, whole = place + length + _FRAME, False
        elif kind in _METADATA:
            kept += size
    # A chunk may state that it ends behind the file.
    return None if whole else [*spans, (start, max(start, file.seek(0, os.SEEK_END)))]


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    """The chunks before the pixels; the file is at the data of each."""
    place = _SIGNATURE
    while True:
        file.seek(place)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4]), head[4:]
        if len(head) < 8 or kind in (b"IDAT", b"fdAT", b"IEND"):
            return
        yield kind, place, length
        place += length + _FRAME


def _expanded(file: BinaryIO, kind: bytes, length: int) -> int:
    """The bytes that PIL would make of a packed text or profile, up to one over the limit."""
    data = file.read(length).partition(b"\0")[2]
    if kind == b"iTXt":  # flag and method, then language and translated keyword
        data = data[2:].split(b"\0", 2)[-1] if data[:1] != b"\0" else b""
    else:
        data = data[1:]
    try:
        return max(length, len(zlib.decompressobj().decompress(data, _LARGEST + 1)))
    except zlib.error:
        return _LARGEST + 1  # PIL passes over it, after as much work as for a large one


class _Spans(io.RawIOBase):
    """Parts of a file as one file."""

    def __init__(self, file: BinaryIO, spans: list[tuple[int, int]]) -> None:
        self._file, self._spans, self._place = file, spans, 0
        self._ends = list(accumulate(stop - start for start, stop in spans))
        self._length = self._ends[-1]

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new place, from the start."""
        base = (0, self._place, self._length)[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """The number of bytes put into ``buffer``; 0 at the end."""
        part = bisect_right(self._ends, self._place)
        if part == len(self._ends):
            return 0
        left = self._ends[part] - self._place
        self._file.seek(self._spans[part][1] - left)
        found = self._file.read(min(len(buffer), left))
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)
