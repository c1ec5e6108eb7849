"""Masks that are broken, odd or of another photo, each beside a sound photo."""

from __future__ import annotations

import os
import struct
from functools import partial
from pathlib import Path

import numpy as np

from tests.data.photo_files import noise, png
from tests.hostile.case import Case
from tests.hostile.photos import JPEG, SIDE, encoded, frames

OBJECT = np.zeros(SIDE, np.uint8)
OBJECT[10:30, 12:36] = 255
SOUND = encoded("png", OBJECT)
_VOID = np.full(SIDE, 128, np.uint8)
_COLOURS = np.stack([OBJECT, OBJECT // 2, 255 - OBJECT], axis=2)
_LABELS = np.where(OBJECT > 0, 7, 0).astype(np.uint8)
_LABELS[0] = 255


def _transparent() -> bytes:
    """Colours that differ where the alpha differs, too."""
    return encoded("png", np.concatenate([noise(*SIDE), OBJECT[..., None]], axis=2))


_CONTENT: dict[str, tuple[str, bytes]] = {
    "of the size of the photo": ("ok", SOUND),
    "of 16 bits": ("ok", encoded("png", OBJECT.astype(np.uint16) * 257)),
    "of one bit": ("ok", encoded("png", OBJECT > 0)),
    "of 0 and 1": ("ok", encoded("png", OBJECT // 255)),
    "in one colour on black": ("ok", encoded("png", _COLOURS * np.array([1, 0, 0], np.uint8))),
    "with garbage behind": ("ok", SOUND + b"<script>" * 99),
    "one row too high": ("size_mismatch", encoded("png", np.zeros((41, 48), np.uint8))),
    "turned": ("size_mismatch", encoded("png", OBJECT.T)),
    "of one pixel": ("size_mismatch", encoded("png", np.full((1, 1), 255, np.uint8))),
    "that says to be huge": ("size_mismatch", png(60_000, 60_000)),
    "in colours": ("corrupt", encoded("png", _COLOURS)),
    "with transparency of its own": ("corrupt", _transparent()),
    "all void": ("empty", encoded("png", _VOID)),
    "all background": ("empty", encoded("png", np.zeros(SIDE, np.uint8))),
    "of labels and 255": ("ambiguous", encoded("png", _LABELS)),
    "cut": ("corrupt", SOUND[: len(SOUND) - 30]),
    "of no bytes": ("corrupt", b""),
    "that is HTML": ("corrupt", b"<!doctype html>"),
    "that is a WebP": ("corrupt", encoded("webp", OBJECT)),
    "that is PostScript": ("corrupt", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "animated": ("ambiguous", frames("gif")),
    "of floats": ("corrupt", encoded("tiff", OBJECT.astype(np.float32))),
    "whose tags end early": ("corrupt", b"II*\0" + struct.pack("<IH", 8, 65535)),
    "that is a zip": ("corrupt", b"PK\x03\x04" * 99),
}


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _missing(path: Path) -> None:
    """Nothing."""


def _linked(target: str, path: Path) -> None:
    path.symlink_to(target)


def photo(path: Path) -> None:
    """The sound photo that a mask is of."""
    path.write_bytes(JPEG)


CASES: list[Case] = [
    *(
        Case(f"a mask {what}", status, partial(_put, content))
        for what, (status, content) in _CONTENT.items()
    ),
    Case("no mask", "missing", _missing),
    Case("a mask that is a folder", "corrupt", Path.mkdir),
    Case("a mask that is a pipe", "corrupt", os.mkfifo),
    Case("a mask that links to a device", "corrupt", partial(_linked, "/dev/zero")),
    Case("a mask that links to nothing", "missing", partial(_linked, "nowhere.png")),
    Case("a mask that links to itself", "corrupt", partial(_linked, "self.png")),
]
