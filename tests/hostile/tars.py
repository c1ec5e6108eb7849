"""Tar shards with members that no photo should be: row of each, (name, status)."""

from __future__ import annotations

import io
import json
import tarfile
from functools import partial
from pathlib import Path

from tests.hostile.case import Case
from tests.hostile.photos import JPEG

_END = bytes(1024)


def _member(name: str, content: bytes = JPEG, **fields: object) -> bytes:
    """A member's blocks; ``fields`` of its header, true or not."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    padded = content + bytes(-len(content) % 512)
    return info.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape") + padded


def _sound(name: str = "x/1") -> bytes:
    return _member(f"{name}.jpg") + _member(f"{name}.cls", b"x")


def _labelled(name: str, **fields: object) -> bytes:
    return _member(f"{name}.jpg", **fields) + _member(f"{name}.cls", b"x")


def _pax(headers: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("x/2.jpg")
        info.size, info.pax_headers = len(JPEG), headers
        archive.addfile(info, io.BytesIO(JPEG))
    return stream.getvalue()[: -2 * tarfile.RECORDSIZE] or stream.getvalue()


def _link(kind: bytes, target: str) -> bytes:
    return _member("x/2.jpg", b"", type=kind, linkname=target)


def _bad_sum() -> bytes:
    block = bytearray(_labelled("x/2"))
    block[148:156] = b"0000000\0"
    return bytes(block)


_ONE = ["x/1.jpg", None]
_TARS: dict[str, tuple[list[list[str | None]], bytes]] = {
    "a name above the root": ([_ONE, ["../../up/2.jpg", None]], _labelled("../../up/2")),
    "an absolute name": ([_ONE, ["etc/2.jpg", None]], _labelled("/etc/2")),
    "a name twice": ([_ONE, ["x/1.jpg~2", "unreadable"]], _sound()),
    "a symbolic link": ([_ONE, ["x/2.jpg", "unsupported"]], _link(tarfile.SYMTYPE, "/etc/passwd")),
    "a hard link": ([_ONE, ["x/2.jpg", "unsupported"]], _link(tarfile.LNKTYPE, "../../x")),
    "a device": ([_ONE, ["x/2.jpg", "unsupported"]], _link(tarfile.CHRTYPE, "")),
    "a pipe": ([_ONE, ["x/2.jpg", "unsupported"]], _link(tarfile.FIFOTYPE, "")),
    "a member of 8 GiB": (
        [_ONE, ["x/2.jpg", "unreadable"], ["", "unreadable"]], _member("x/2.jpg", size=8 * 2**30)
    ),
    "an empty photo": ([_ONE, ["x/2.jpg", None]],
                       _member("x/2.jpg", b"") + _member("x/2.cls", b"x")),
    "a label of 1 MiB": ([_ONE, ["x/2.jpg", "no_class"]],
                         _member("x/2.jpg") + _member("x/2.cls", b"x" * 2**20)),
    "a label without a photo": ([_ONE, ["x/2.cls", "unreadable"]], _member("x/2.cls", b"x")),
    "a name that is an escape": ([_ONE, ["x/\x1b[2J.jpg", None]], _labelled("x/\x1b[2J")),
    "a broken header": ([_ONE, ["", "unreadable"]], _bad_sum()),
    "zeros and more": ([_ONE, ["", "unreadable"]], _END + _sound("x/2")),
}  # fmt: skip


def _put(content: bytes, folder: Path) -> None:
    (folder / "t.tar").write_bytes(content)


CASES = [
    Case(
        f"a tar with {what}", json.dumps(rows), partial(_put, _sound() + content + _END), "t.tar"
    )
    for what, (rows, content) in _TARS.items()
] + [
    Case("a tar of no bytes", "the shards name no class", partial(_put, b""), "t.tar"),
    Case("a tar that is a JPEG", "the shards name no class", partial(_put, JPEG), "t.tar"),
    Case("a tar that is packed", "a compressed tar", partial(_put, b"\x1f\x8b" * 9), "t.tar"),
]  # fmt: skip
