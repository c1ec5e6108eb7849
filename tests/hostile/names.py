"""Sound photos under hostile names, and what is no photo at all in the place of one."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path

from tests.hostile.case import Case
from tests.hostile.photos import JPEG, PNG

# Class folders of the corpus's audit: bad for pages, sheets, terminals, logs.
CLASSES = (
    "<script>alert('class')<script>",
    "=cmd|' calc'!A1",
    "\x1b[31mred\x1b[2J\x07",
    "\u202egpj.line\nSUCCESS",
)
OUTSIDE = "outside"  # a folder beside the root, which links lead to

_NAMES: dict[str, str | bytes] = {
    "a newline": "two\nlines.jpg",
    "a carriage return": "back\rover.jpg",
    "a tab": "tab\tbed.jpg",
    "right to left": "\u202egpj.exe.jpg",
    "isolates": "\u2066a\u2069.jpg",
    "quotes": "q\"u'o`te.jpg",
    "HTML": "<img src=x onerror=alert(1)>.jpg",
    "a closing tag": "<|script>]]>-->.jpg",
    "a template": "{{ 7*7 }}{% raw %}.jpg",
    "a format": "%s{0}{image_id}%(x)s.jpg",
    "an escape of a terminal": "\x1b[31m\x1b[2J.jpg",
    "C1 controls": "\x9b31m\x85.jpg",
    "a bell and a backspace": "\x07\x08.jpg",
    "a formula": "=1+1.jpg",
    "a formula of a sheet": "@SUM(A1).jpg",
    "251 letters": "n" * 251 + ".jpg",
    "83 letters of three bytes": "\u96db" * 83 + ".jpg",
    "bytes that are no UTF-8": b"\xff\xfe.jpg",
    "the same bytes spelled": r"\xff\xfe.jpg",
    "a surrogate in UTF-8": b"\xed\xa0\x80.jpg",
    "UTF-8 cut short": b"caf\xc3.jpg",
    "composed": "caf\u00e9.jpg",
    "the same decomposed": "cafe\u0301.jpg",
    "spaces behind": "spaces.jpg   ",
    "spaces before": "   spaces.jpg",
    "nothing but spaces": "   ",
    "a leading dash": "-rf.jpg",
    "two leading dashes": "--help.jpg",
    "a name of Windows": "CON.jpg",
    "another name of Windows": "nul",
    "a dot behind": "dot.jpg.",
    "a backslash": "up\\..\\..\\up.jpg",
    "percents": "%2e%2e%2f%00.jpg",
    "an address": "s3:#?&=+.jpg",
    "a command": "$(touch x)`touch y`;.jpg",
    "a home": "~root.jpg",
    "a frame": "scan.jpg#3",
    "no width": "\u200b\ufeff.jpg",
    "a line separator": "a\u2028b.jpg",
    "outside of the plane": "\U0001f339\U000e0041.jpg",
    "a wildcard": "*?[a].jpg",
}


def _linked(target: str, path: Path) -> None:
    path.symlink_to(target)


def _outside(name: str, path: Path) -> None:
    """A link to a sound photo, or the folder of it, beside the root."""
    beside = path.parents[2] / OUTSIDE
    beside.mkdir(exist_ok=True)
    (beside / "secret.jpg").write_bytes(JPEG)
    path.symlink_to(beside / name)


def _socket(path: Path) -> None:
    """A socket; bound by its bare name, since such paths are short."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def _folder(path: Path) -> None:
    path.mkdir()


def _unlistable(path: Path) -> None:
    path.mkdir()
    (path / "1.jpg").write_bytes(JPEG)
    path.chmod(0)


def _secret(path: Path) -> None:
    path.write_bytes(JPEG)
    path.chmod(0)


def _sparse(content: bytes, path: Path) -> None:
    """A file of 8 GiB that takes no place on the disk."""
    path.write_bytes(content)
    os.truncate(path, 8 * 2**30)


def _hard_link(path: Path) -> None:
    original = path.with_name("original.jpg")
    original.write_bytes(JPEG)
    os.link(original, path)
    original.unlink()


_IS_ROOT = os.geteuid() == 0  # who may read everything
ABSENT = "not listed"
FILES: list[Case] = [
    Case("an empty folder x.jpg", ABSENT, _folder, "folder.jpg"),
    Case("a hidden file", ABSENT, lambda path: path.write_bytes(JPEG), ".hidden.jpg"),
    Case("a pipe", "unsupported", os.mkfifo, "pipe.jpg"),
    Case("a socket", "unsupported", _socket, "socket.jpg"),
    Case("a link to a device", "unsupported", partial(_linked, "/dev/zero"), "device.jpg"),
    Case("a dangling link", "unreadable", partial(_linked, "nowhere.jpg"), "gone.jpg"),
    Case("a link to itself", "symlink_loop", partial(_linked, "self.jpg"), "self.jpg"),
    Case("a link to its own folder", "symlink_loop", partial(_linked, "."), "here"),
    Case("a link to the root", "symlink_loop", partial(_linked, ".."), "up"),
    Case("a link out of the root", "outside", partial(_outside, "secret.jpg"), "out.jpg"),
    Case("a linked folder out of the root", "outside", partial(_outside, ""), "out"),
    Case("a link to a file of the system", "outside", partial(_linked, "/etc/passwd"), "pw.jpg"),
    Case("a hard link", "ok", _hard_link, "hard.jpg"),
    Case("a link within the root", "ok", partial(_linked, "hard.jpg"), "soft.jpg"),
    Case("a JPEG with 8 GiB of nothing behind", "ok", partial(_sparse, JPEG), "sparse.jpg"),
    Case("a PNG with 8 GiB of nothing behind", "ok", partial(_sparse, PNG), "sparse.png"),
    Case("8 GiB of nothing", "unreadable", partial(_sparse, b""), "hole.jpg"),
    Case("a file that may not be read", "ok" if _IS_ROOT else "unreadable", _secret, "shut.jpg"),
]
CASES: list[Case] = [
    *(
        Case(f"named with {what}", "ok", lambda path: path.write_bytes(JPEG), name)
        for what, name in _NAMES.items()
    ),
    *FILES,
]
