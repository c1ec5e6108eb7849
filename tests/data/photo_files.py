"""Pictures and files that the tests of data write."""

import struct
import zlib

import numpy as np
from PIL import Image

EXIF_SIDES = {  # orientation: what the stored row 0 and column 0 are to be seen as (Exif 2.32)
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def seen(stored, orientation):
    """The displayed picture of ``stored`` by the standard's own words, pixel by pixel."""
    height, width = stored.shape[:2]
    row0, column0 = EXIF_SIDES[orientation]
    shape = (height, width) if row0 in ("top", "bottom") else (width, height)
    out = np.zeros((*shape, *stored.shape[2:]), stored.dtype)
    for row in range(height):
        for column in range(width):
            spot = {}
            for side, index in ((row0, row), (column0, column)):
                axis = "y" if side in ("top", "bottom") else "x"
                length = shape[0] if axis == "y" else shape[1]
                spot[axis] = index if side in ("top", "left") else length - 1 - index
            out[spot["y"], spot["x"]] = stored[row, column]
    return out


def noise(height, width, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels=None, **options):
    pixels = noise(5, 7) if pixels is None else pixels
    Image.fromarray(pixels).save(path, **options)
    return str(path)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def tiff_of_pages(count):
    """A TIFF of ``count`` pages of one grey pixel, all of which lie at one place."""
    tags = [
        (256, 1),
        (257, 1),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 0),
        (277, 1),
        (278, 1),
        (279, 1),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    size = 2 + len(entries) + 4
    places = [*(8 + size * page for page in range(1, count)), 0]
    head = struct.pack("<H", len(tags)) + entries
    return b"II*\0" + struct.pack("<I", 8) + b"".join(head + struct.pack("<I", p) for p in places)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *, depth=8, colour=2, raw=b"", extra=()):
    """A PNG written chunk by chunk, whose header may lie about its pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), *extra, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
