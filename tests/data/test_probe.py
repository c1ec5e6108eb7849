import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.photo_files import exif, noise, png, png_chunk, save, tiff_of_pages
from xai_audit.errors import ImageProblem
from xai_audit.index.rows import Probed, probe
from xai_audit.vision.header import FORMATS

pytestmark = pytest.mark.timeout(20)

LIMIT = 10**6


def problem(path, max_pixels=LIMIT):
    with pytest.raises(ImageProblem) as caught:
        probe(str(path), max_pixels=max_pixels)
    return caught.value.status, caught.value.message


def put(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("suffix", "name", "mode"),
    [
        ("jpg", "JPEG", "RGB"), ("png", "PNG", "RGB"), ("webp", "WEBP", "RGB"),
        ("gif", "GIF", "P"), ("tif", "TIFF", "RGB"), ("bmp", "BMP", "RGB"), ("ppm", "PPM", "RGB"),
        ("jp2", "JPEG2000", "RGB"), ("avif", "AVIF", "RGB"), ("qoi", "QOI", "RGB"),
    ],
)  # fmt: skip
def test_header_of_every_format(tmp_path, suffix, name, mode):
    path = save(tmp_path / f"a.{suffix}", noise(16, 24))
    stat = os.stat(path)  # noqa: PTH116
    expected = Probed(name, mode, 24, 16, 1, 1, stat.st_size, stat.st_mtime_ns)
    assert probe(path, max_pixels=LIMIT) == expected
    assert name in FORMATS
    # The content decides, not the name.
    disguised = tmp_path / "a.txt"
    os.rename(path, disguised)  # noqa: PTH104
    assert probe(str(disguised), max_pixels=LIMIT) == expected


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_size_is_after_orientation(tmp_path, suffix, orientation):
    path = save(tmp_path / f"a.{suffix}", noise(5, 7), exif=exif(orientation))
    found = probe(path, max_pixels=LIMIT)
    assert found.orientation == orientation
    assert (found.height, found.width) == ((5, 7) if orientation < 5 else (7, 5))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientation_out_of_range_is_none(tmp_path, value):
    found = probe(save(tmp_path / "a.jpg", exif=exif(value)), max_pixels=LIMIT)
    assert (found.orientation, found.height, found.width) == (1, 5, 7)


# PIL's word on it; whether it is shown is the user's choice.
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_does_not_cost_the_photo(tmp_path):
    path = save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert probe(path, max_pixels=LIMIT).orientation == 1
    path = save(tmp_path / "a.png", exif=b"Exif\0\0garbage")
    assert probe(path, max_pixels=LIMIT).orientation == 1


def test_exif_behind_the_pixels_of_a_png_is_not_sought(tmp_path):
    # Finding it means decoding everything; decode() does not look there either.
    late = png(3, 2, raw=b"\0" * 20, extra=[(b"eXIf", exif(6).tobytes()[6:])])
    found = probe(str(put(tmp_path / "a.png", late)), max_pixels=LIMIT)
    assert (found.orientation, found.height, found.width) == (1, 2, 3)


@pytest.mark.parametrize(("suffix", "frames"), [("gif", 3), ("webp", 3), ("png", 3), ("tif", 3)])
def test_frames_are_counted(tmp_path, suffix, frames):
    pictures = [Image.fromarray(noise(4, 6, seed=number)) for number in range(frames)]
    pictures[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=pictures[1:])
    found = probe(str(tmp_path / f"a.{suffix}"), max_pixels=LIMIT)
    assert (found.frames, found.height, found.width) == (frames, 4, 6)


@pytest.mark.parametrize(("pages", "counted"), [(1, 1), (1000, 1000), (1001, None), (20_000, None)])
def test_pages_without_end_are_not_counted(tmp_path, pages, counted):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_of_pages(pages))
    started = time.process_time()
    assert probe(str(path), max_pixels=LIMIT).frames == counted
    assert time.process_time() - started < 2  # seconds; all of 10,000 took 3


def test_frames_of_large_files_are_not_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("xai_audit.index.rows._COUNT_FRAMES_UP_TO", 10)
    assert probe(save(tmp_path / "a.gif"), max_pixels=LIMIT).frames is None


def test_files_that_are_no_images(tmp_path):
    text = b"just some words, long enough for a header"
    unsupported = ("unsupported", "not an image of a supported format")
    assert problem(put(tmp_path / "a.txt", text)) == unsupported
    assert problem(put(tmp_path / "no_suffix", text)) == unsupported
    assert problem(put(tmp_path / "a.txt", b"Python is no PPM, nor BMP")) == unsupported
    assert problem(put(tmp_path / "a.txt", b"BM starts this text too")) == unsupported
    assert problem(
        put(tmp_path / "a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    ) == (unsupported)
    assert problem(put(tmp_path / "a.jpg", text)) == (
        "unreadable",
        "the content is not that of an image",
    )
    assert problem(put(tmp_path / "a.JPEG", text))[0] == "unreadable"
    assert problem(put(tmp_path / "a.jpg", b"")) == ("empty", "the file has no bytes")
    assert problem(put(tmp_path / "a.txt", b""))[0] == "empty"


def test_broken_headers(tmp_path):
    assert problem(put(tmp_path / "a.txt", b"\x89PNG\r\n\x1a\n" + b"\0" * 40))[0] == "unreadable"
    status, message = problem(put(tmp_path / "a.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 40))
    assert (status, message[:18]) == ("unreadable", "broken JPEG header")
    for suffix in ("jpg", "png", "webp", "gif", "tif", "bmp", "jp2", "avif"):
        content = Path(save(tmp_path / f"b.{suffix}")).read_bytes()
        assert problem(put(tmp_path / f"c.{suffix}", content[:13]))[0] == "unreadable", suffix


def test_what_cannot_be_opened(tmp_path, unix_socket):
    irregular = ("unsupported", "not a regular file")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert problem(tmp_path / "pipe.jpg") == irregular
    assert problem(unix_socket) == irregular
    assert problem("/dev/null") == irregular
    assert problem(tmp_path) == irregular
    assert problem(tmp_path / "none.jpg") == ("unreadable", "no such file")
    assert problem(tmp_path / "nul\0.jpg") == ("unreadable", "embedded null byte")
    assert problem(tmp_path / ("n" * 300)) == ("unreadable", "File name too long")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert problem(tmp_path / "loop.jpg")[0] == "unreadable"


def test_permission_denied(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path = save(tmp_path / "a.jpg")
    monkeypatch.setattr(os, "open", refuse)
    assert problem(path) == ("unreadable", "Permission denied")


def test_bombs_are_told_by_their_header(tmp_path):
    bomb = put(tmp_path / "a.png", png(60_000, 60_000))
    assert problem(bomb, 10**8) == ("too_large", "60000 x 60000 px, max_pixels is 100000000")
    # A GIF of one pixel whose first frame reaches far beyond it.
    frame = b"," + struct.pack("<4HB", 0, 0, 60_000, 60_000, 0) + b"\x02\x01\0\0;"
    gif = b"GIF89a" + struct.pack("<2H3B", 1, 1, 0x80, 0, 0) + b"\0" * 6 + frame
    assert problem(put(tmp_path / "a.gif", gif), 10**8)[0] == "too_large"
    webp = b"VP8X" + struct.pack("<IB3x", 10, 0) + (16_382).to_bytes(3, "little") * 2
    riff = b"RIFF" + struct.pack("<I", len(webp) + 4) + b"WEBP" + webp
    assert problem(put(tmp_path / "a.webp", riff), 10**8)[0] in {"too_large", "unreadable"}


def test_limit_is_ours_and_exact(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    bomb = str(put(tmp_path / "a.png", png(60_000, 60_000)))
    # PIL would refuse (or, as a warning, fail this test); the argument decides.
    found = probe(bomb, max_pixels=60_000**2)
    assert (found.width, found.height) == (60_000, 60_000)
    assert problem(bomb, 60_000**2 - 1)[0] == "too_large"
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    "suffix", ["jpg", "png", "webp", "gif", "tif", "bmp", "jp2", "avif", "ppm"]
)
def test_damage_gives_a_status_and_nothing_else(tmp_path, suffix):
    content = Path(save(tmp_path / f"a.{suffix}", noise(9, 9))).read_bytes()
    random = np.random.default_rng(3)
    statuses = set()
    for _ in range(60):
        damaged = bytearray(content)
        for spot in random.integers(0, min(len(content), 200), 4):
            damaged[spot] = random.integers(256)
        cut = random.integers(1, len(content) + 1)
        try:
            probe(str(put(tmp_path / f"b.{suffix}", bytes(damaged[:cut]))), max_pixels=LIMIT)
            statuses.add("ok")
        except ImageProblem as caught:
            statuses.add(caught.status)
    assert statuses <= {"ok", "unreadable", "too_large"}
    assert "unreadable" in statuses


@pytest.mark.parametrize(
    "error",
    [struct.error, SyntaxError, ValueError, OverflowError, MemoryError, RecursionError, KeyError],
)
def test_whatever_pil_raises_is_a_status(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error("from deep inside")

    path = save(tmp_path / "a.gif")
    probe(path, max_pixels=LIMIT)
    monkeypatch.setitem(Image.OPEN, "GIF", (fail, Image.OPEN["GIF"][1]))
    status, message = problem(path)
    assert status == "unreadable"
    assert "from deep inside" in message


def test_png_chunks_of_the_fixture_are_sound(tmp_path):
    assert png_chunk(b"IEND", b"").hex() == "0000000049454e44ae426082"
    path = put(tmp_path / "a.png", png(2, 1, raw=b"\0" + bytes(range(6))))
    assert np.asarray(Image.open(path)).tolist() == [[[0, 1, 2], [3, 4, 5]]]
