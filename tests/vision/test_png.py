"""PNG with text of any size: the pixels are read, and memory stays small."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from tests.data.photo_files import exif, noise, png_chunk
from xai_audit.index.rows import probe
from xai_audit.vision import png
from xai_audit.vision.decode import decode

PIXELS = noise(5, 7)


def write(path, *, before=(), behind=()):
    header = (b"IHDR", struct.pack(">IIBBBBB", 7, 5, 8, 2, 0, 0, 0))
    raw = b"".join(b"\0" + row.tobytes() for row in PIXELS)
    chunks = [header, *before, (b"IDAT", zlib.compress(raw)), *behind, (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))
    return str(path)


def packed(kind, size):
    """A chunk whose text is ``size`` bytes once it is unpacked."""
    start = {b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0", b"iCCP": b"icc\0\0"}[kind]
    return kind, start + zlib.compress(b"a" * size)


LARGE = {
    "tEXt": [(b"tEXt", b"parameters\0" + b"x" * (3 * 2**20))],
    "zTXt": [packed(b"zTXt", 3 * 2**20)],
    "iTXt": [packed(b"iTXt", 3 * 2**20)],
    "iCCP": [packed(b"iCCP", 3 * 2**20)],
    "plain iTXt": [(b"iTXt", b"prompt\0\0\0\0\0" + b"x" * (3 * 2**20))],
    "many": [packed(b"zTXt", 2**20)] * 80,
    "private": [(b"prIv", b"x" * (3 * 2**20))],
}


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("chunks", LARGE.values(), ids=LARGE)
def test_large_text_costs_neither_the_photo_nor_memory(tmp_path, chunks, place):
    path = write(tmp_path / "a.png", **{place: chunks})
    tracemalloc.start()
    found = probe(path, max_pixels=100)
    pixels = decode(path, shorter_side=None, max_pixels=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.height, found.width) == (5, 7)
    np.testing.assert_array_equal(pixels, PIXELS)
    assert peak < 40 * 2**20


def test_a_bomb_of_text_is_unpacked_no_further_than_a_megabyte(tmp_path):
    bomb = packed(b"zTXt", 200 * 2**20)
    assert len(bomb[1]) < 2**20
    path = write(tmp_path / "a.png", before=[bomb] * 4)
    tracemalloc.start()
    np.testing.assert_array_equal(decode(path, shorter_side=None, max_pixels=100), PIXELS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_what_is_small_is_read_beside_what_is_large(tmp_path):
    turned = (b"eXIf", exif(6).tobytes()[6:])
    path = write(tmp_path / "a.png", before=[*LARGE["tEXt"], turned, *LARGE["zTXt"]])
    found = probe(path, max_pixels=100)
    assert (found.orientation, found.height, found.width) == (6, 7, 5)


BOMB = packed(b"zTXt", 2**20 + 1)
# Of which the last byte is damaged, so that it fails once all of it is unpacked.
DAMAGED = (b"zTXt", packed(b"zTXt", 2**20 - 1)[1][:-1] + b"\xff")


@pytest.mark.parametrize("bomb", [BOMB, DAMAGED, packed(b"zTXt", 2**20)])
def test_many_bombs_are_unpacked_no_further_than_what_may_be_kept(tmp_path, monkeypatch, bomb):
    note = (b"tEXt", b"Comment\0a")
    path = write(tmp_path / "a.png", before=[*[bomb, note] * 100, *[bomb] * 100])
    unpacked = []

    class Engine:
        def __init__(self):
            self.engine = zlib.decompressobj()

        def decompress(self, data, most):
            unpacked.append(len(data))
            return self.engine.decompress(data, most)

    monkeypatch.setattr(png, "zlib", SimpleNamespace(decompressobj=Engine, error=zlib.error))
    np.testing.assert_array_equal(decode(path, shorter_side=None, max_pixels=100), PIXELS)
    assert 14 <= len(unpacked) <= 17


@pytest.mark.parametrize("kind", [b"tEXt", b"prIv"])
def test_a_chunk_that_ends_behind_the_file_leaves_what_is_before_it(tmp_path, kind):
    path = tmp_path / "a.png"
    write(path)
    content = path.read_bytes()
    start = content.index(b"IDAT") - 4
    path.write_bytes(content[:start] + struct.pack(">I", 2**31 - 1) + kind + content[start:])
    with path.open("rb") as file:
        whole = png._Spans(file, png._wanted(file))
        assert whole.readall() == content[:start]
        assert whole.seek(0, os.SEEK_END) == start


def test_parts_of_a_file_are_read_as_one(tmp_path):
    data = np.random.default_rng(0).bytes(1000)
    (tmp_path / "a").write_bytes(data)
    cuts = [0, 3, 10, 10, 20, 500, 600, 1000]
    spans = list(pairwise(cuts))[::2]
    expected = b"".join(data[start:stop] for start, stop in spans)
    with (tmp_path / "a").open("rb") as file:
        whole = png._Spans(file, spans)
        for place in (0, 2, 3, 4, len(expected) - 1, len(expected), len(expected) + 5):
            whole.seek(place)
            assert whole.readall() == expected[place:]
