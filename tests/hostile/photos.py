"""Photos that are broken, odd or lie about themselves, by their content."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from tests.data.photo_files import exif, noise, png, png_chunk, tiff_of_pages
from tests.hostile.case import Case

SIDE = (40, 48)  # height and width of a sound photo
MAX_PIXELS = 250_000  # of the corpus's audit; photos above it are bombs
_HUGE = 60_000


def encoded(form: str = "jpeg", pixels: np.ndarray | None = None, **options: object) -> bytes:
    """A photo as the bytes of a file."""
    stream = io.BytesIO()
    Image.fromarray(noise(*SIDE) if pixels is None else pixels).save(stream, form, **options)
    return stream.getvalue()


def converted(mode: str, form: str, **options: object) -> bytes:
    """A photo in one of Pillow's modes."""
    stream = io.BytesIO()
    Image.fromarray(noise(*SIDE)).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def frames(form: str, count: int = 3) -> bytes:
    """An animation or a file of several pages."""
    stream = io.BytesIO()
    first, *others = (Image.fromarray(noise(*SIDE, seed=seed)) for seed in range(count))
    first.save(stream, form, save_all=True, append_images=others)
    return stream.getvalue()


def _with_chunk(kind: bytes, data: bytes) -> bytes:
    """A sound PNG with one more chunk before its pixels."""
    sound = encoded("png")
    return sound[:33] + png_chunk(kind, data) + sound[33:]


def _damaged(content: bytes, mark: bytes, offset: int = 4) -> bytes:
    """``content`` with a byte behind ``mark`` flipped."""
    place = content.index(mark) + offset
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def _segment(marker: int, data: bytes) -> bytes:
    """A sound JPEG with one more segment behind its first two bytes."""
    sound = encoded()
    return sound[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + sound[2:]


def _jpeg_of(height: int, width: int, frame: int = 0xC0) -> bytes:
    """A sound JPEG whose header says another size or another kind of coding."""
    sound = encoded(pixels=noise(16, 16))
    place = sound.index(b"\xff\xc0") if b"\xff\xc0" in sound else sound.index(b"\xff\xc2")
    head = struct.pack(">BBHBHH", 0xFF, frame, 17, 8, height, width)
    return sound[:place] + head + sound[place + 9 :]


def _gif_of(height: int, width: int) -> bytes:
    """A GIF of one pixel whose first frame is said to be larger."""
    frame = b"," + struct.pack("<4HB", 0, 0, width, height, 0) + b"\x02\x01\0\0;"
    return b"GIF89a" + struct.pack("<2H3B", 1, 1, 0x80, 0, 0) + b"\0" * 6 + frame


def _bmp_of(height: int, width: int) -> bytes:
    """The header of a BMP, and no pixels."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


def _tiff(entries: dict[int, tuple[int, int, int]], tail: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory: tag -> (type, count, value)."""
    listed = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(entries.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + listed + struct.pack("<I", 0) + tail


def _tiff_cycle() -> bytes:
    """A TIFF whose second page is its first again."""
    pages = bytearray(encoded("tiff", compression=None))
    start = struct.unpack("<I", pages[4:8])[0]
    count = struct.unpack("<H", pages[start : start + 2])[0]
    struct.pack_into("<I", pages, start + 2 + 12 * count, start)
    return bytes(pages)


def _tiled() -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, noise(*SIDE), tile=(16, 16), photometric="rgb")
    return stream.getvalue()


def _bigtiff() -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, noise(*SIDE), bigtiff=True, photometric="rgb")
    return stream.getvalue()


def _many_frames(count: int) -> bytes:
    """A GIF of one pixel and ``count`` frames."""
    frame = b"," + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<2H3B", 1, 1, 0x80, 0, 0) + b"\0" * 6 + frame * count + b";"


def _palette() -> bytes:
    """A palette with a transparency an entry."""
    return converted("P", "png", transparency=bytes(range(256)))


def _icc(data: bytes) -> bytes:
    return encoded(icc_profile=data)


def _rgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def _bad_crc() -> bytes:
    return _damaged(encoded("png"), b"IDAT", -5 + 9)


JPEG, PNG = encoded(), encoded("png")
_PACKED = zlib.compress(bytes(40 * 2**20), 9)  # 40 MiB in 40 KiB
_OK: dict[str, tuple[str, bytes]] = {
    "1x1": ("1x1.png", encoded("png", noise(1, 1))),
    "3x3": ("3x3.jpg", encoded("jpeg", noise(3, 3))),
    "CMYK": ("cmyk.jpg", converted("CMYK", "jpeg")),
    "YCbCr in a TIFF": ("ycbcr.tif", converted("YCbCr", "tiff")),
    "grey": ("grey.jpg", converted("L", "jpeg")),
    "1 bit": ("bit.png", converted("1", "png")),
    "16 bits": ("deep.png", encoded("png", noise(*SIDE, 1).astype(np.uint16) * 257)),
    "16 bits, all 0": ("black.png", encoded("png", np.zeros(SIDE, np.uint16))),
    "grey with alpha": ("la.png", converted("LA", "png")),
    "all transparent": ("clear.png", encoded("png", np.zeros((*SIDE, 4), np.uint8))),
    "palette": ("palette.png", converted("P", "png")),
    "palette with transparency": ("palette-alpha.png", _palette()),
    "animated GIF": ("moving.gif", frames("gif")),
    "animated WebP": ("moving.webp", frames("webp")),
    "animated PNG": ("moving.png", frames("png")),
    "TIFF of several pages": ("pages.tif", frames("tiff")),
    "TIFF in tiles": ("tiled.tif", _tiled()),
    "TIFF of floats": ("float.tif", encoded("tiff", noise(*SIDE, 1).astype(np.float32))),
    "TIFF of NaN": ("nan.tif", encoded("tiff", np.full(SIDE, np.nan, np.float32))),
    "TIFF of infinities": ("inf.tif", encoded("tiff", np.full(SIDE, np.inf, np.float32))),
    "BigTIFF": ("big.tif", _bigtiff()),
    "TIFF whose pages are a circle": ("circle.tif", _tiff_cycle()),
    "progressive": ("progressive.jpg", encoded(progressive=True)),
    "garbage behind the end": ("behind.jpg", JPEG + b"\xff\xd8" + b"PK\x03\x04" * 999),
    "a zip behind a PNG": ("polyglot.png", PNG + b"PK\x03\x04" * 999),
    "PNG named .jpg": ("png.jpg", PNG),
    "JPEG without a suffix": ("no_suffix", JPEG),
    "JPEG named .txt": ("jpeg.txt", JPEG),
    "EXIF that is no EXIF": ("exif.jpg", _segment(0xE1, b"Exif\0\0" + b"\xff" * 90)),
    "EXIF cut short": ("exif-cut.jpg", _segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff")),
    "EXIF orientation 9": ("turned-9.jpg", encoded(exif=exif(9))),
    "EXIF orientation 65535": ("turned-65535.jpg", encoded(exif=exif(65535))),
    "ICC profile of zeros": ("icc.jpg", _icc(bytes(500))),
    "ICC profile of another space": ("icc-lab.jpg", _icc(_rgb_profile())),
    "zTXt that unpacks to 40 MiB": ("text.png", _with_chunk(b"zTXt", b"a\0\0" + _PACKED)),
    "iTXt that unpacks to 40 MiB": ("itxt.png", _with_chunk(b"iTXt", b"a\0\1\0\0\0" + _PACKED)),
    "iCCP that unpacks to 40 MiB": ("iccp.png", _with_chunk(b"iCCP", b"a\0\0" + _PACKED)),
    "iCCP that is no zlib": ("iccp-bad.png", _with_chunk(b"iCCP", b"a\0\0" + b"\xff" * 50)),
    "arithmetic coding by its header": ("arithmetic.jpg", _jpeg_of(16, 16, 0xC9)),
    "comment of 64 KiB": ("comment.jpg", _segment(0xFE, b"<script>" * 8000)),
    "HTML in a comment": ("comment.png", _with_chunk(b"tEXt", b"Title\0<script>alert(1)</script>")),
    "no unit a pixel": ("headers.png", _with_chunk(b"pHYs", bytes(9))),
    "TIFF of 3000 pages": ("many.tif", tiff_of_pages(3000)),
    "2000 frames": ("frames.gif", _many_frames(2000)),
    "WebP without loss": ("lossless.webp", encoded("webp", lossless=True)),
    "AVIF": ("photo.avif", encoded("avif")),
    "JPEG 2000": ("photo.jp2", encoded("jpeg2000")),
    "BMP": ("photo.bmp", encoded("bmp")),
    "PPM": ("photo.ppm", encoded("ppm")),
    **{f"EXIF orientation {n}": (f"turned-{n}.jpg", encoded(exif=exif(n))) for n in range(1, 9)},
}
_UNREADABLE: dict[str, tuple[str, bytes]] = {
    "JPEG cut in its header": ("cut-header.jpg", JPEG[:30]),
    "JPEG cut in its tables": ("cut-tables.jpg", JPEG[:200]),
    "JPEG cut in its pixels": ("cut-middle.jpg", JPEG[: len(JPEG) // 2]),
    "PNG cut in its header": ("cut-header.png", PNG[:20]),
    "PNG cut behind its header": ("cut-behind.png", PNG[:33]),
    "PNG cut in its pixels": ("cut-middle.png", PNG[: len(PNG) // 2]),
    "GIF cut": ("cut.gif", encoded("gif")[:100]),
    "WebP cut": ("cut.webp", encoded("webp")[:100]),
    "TIFF cut": ("cut.tif", encoded("tiff")[:100]),
    "BMP cut": ("cut.bmp", encoded("bmp")[:100]),
    "AVIF cut": ("cut.avif", encoded("avif")[:200]),
    "JPEG 2000 cut": ("cut.jp2", encoded("jpeg2000")[:100]),
    "the mark of a JPEG alone": ("mark.jpg", b"\xff\xd8\xff"),
    "the mark of a PNG alone": ("mark.png", b"\x89PNG\r\n\x1a\n"),
    "lossless JPEG by its header": ("lossless.jpg", _jpeg_of(16, 16, 0xC3)),
    "HEIF cut": ("cut.heic", struct.pack(">I", 24) + b"ftypheic" + bytes(12)),
    "zeros named .jpg": ("zeros.jpg", bytes(1000)),
    "SVG named .jpg": ("svg.jpg", b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
    "HTML named .png": ("html.png", b"<!doctype html><script>alert(1)</script>"),
    "a program named .jpg": ("elf.jpg", b"\x7fELF" + bytes(60)),
    "PostScript named .jpg": ("eps.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "PNG of no width": ("zero.png", png(0, 9)),
    "JPEG of no height": ("zero.jpg", _jpeg_of(0, 16)),
    "PNG with a bad checksum": ("crc.png", _bad_crc()),
    "PNG without pixels": ("nothing.png", png(*SIDE)),
    "PNG of depth 3": ("depth.png", png(9, 9, depth=3)),
    "PNG of colour type 9": ("colour.png", png(9, 9, colour=9)),
    "TIFF of a directory behind its end": ("far.tif", b"II*\0" + struct.pack("<I", 2**31)),
    "TIFF of 65535 tags": ("tags.tif", b"II*\0" + struct.pack("<IH", 8, 65535)),
    "TIFF of unknown compression": (
        "odd.tif", _tiff({256: (4, 1, 9), 257: (4, 1, 9), 259: (3, 1, 9999), 273: (4, 1, 8)}),
    ),
}  # fmt: skip
_TOO_LARGE: dict[str, tuple[str, bytes]] = {
    "PNG that says to be huge": ("huge.png", png(_HUGE, _HUGE)),
    "JPEG that says to be huge": ("huge.jpg", _jpeg_of(_HUGE, _HUGE)),
    "GIF that says to be huge": ("huge.gif", _gif_of(_HUGE, _HUGE)),
    "BMP that says to be huge": ("huge.bmp", _bmp_of(_HUGE, _HUGE)),
    "TIFF that says to be huge": (
        "huge.tif",
        _tiff({256: (4, 1, _HUGE), 257: (4, 1, _HUGE), 258: (3, 1, 8), 262: (3, 1, 1),
               273: (4, 1, 8), 278: (4, 1, _HUGE), 279: (4, 1, 9)}),
    ),
    "a real bomb: 2000 x 2000 white pixels": (
        "bomb.png", encoded("png", np.full((2000, 2000), 255, np.uint8))
    ),
    "1x4000, which the model's resize makes huge": ("1x4000.png", encoded("png", noise(1, 4000))),
    "4000x1, likewise": ("4000x1.jpg", encoded("jpeg", noise(4000, 1))),
    "one row above the limit": ("above.png", encoded("png", np.zeros((501, 500), np.uint8))),
}  # fmt: skip
_OTHERS: dict[str, tuple[str, str, bytes]] = {
    "an empty file": ("empty.jpg", "empty", b""),
    "a text": ("notes.txt", "unsupported", b"some words"),
    "SVG": ("drawing.svg", "unsupported", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "PostScript": ("drawing.eps", "unsupported", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    "DICOM of zeros": ("zeros.dcm", "unsupported", bytes(128) + b"DICM" + bytes(99)),
    "ICO": ("icon.ico", "unsupported", b"\0\0\1\0\1\0" + bytes(16)),
}


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)


CASES: list[Case] = [
    Case(title, status, partial(_put, content), name)
    for status, group in (("ok", _OK), ("unreadable", _UNREADABLE), ("too_large", _TOO_LARGE))
    for title, (name, content) in group.items()
] + [
    Case(title, status, partial(_put, content), name)
    for title, (name, status, content) in _OTHERS.items()
]
