"""Mask images of every kind read as stored; damaged, odd and huge files become a status."""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from xai_audit.errors import MaskProblem
from xai_audit.masks._image_file import read_pixels, read_values


def status(call):
    with pytest.raises(MaskProblem) as caught:
        call()
    return caught.value.status, caught.value.message


def png(height, width, depth, colour, rows=b""):
    """A PNG put together by hand: Pillow writes neither every depth nor lies in the header."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_palette_gives_indices(tmp_path, store, photo, labels):
    path = store(tmp_path / "a.png", labels % 7, palette=True)
    np.testing.assert_array_equal(read_values(path, photo(), grey=False), labels % 7)
    found, message = status(lambda: read_values(path, photo(), grey=True))
    assert found == "corrupt"
    assert "has a palette; a soft mask must be grey" in message


def test_palette_of_few_bits_gives_indices(tmp_path, store, photo):
    values = np.tile(np.array([0, 1, 2, 3, 1, 0], dtype=np.uint8), (4, 1))
    path = store(tmp_path / "a.png", values, palette=True, bits=2)
    np.testing.assert_array_equal(read_values(path, photo(), grey=False), values)


def test_grey_one_bit_and_16_bit(tmp_path, store, photo, labels):
    grey = store(tmp_path / "grey.png", labels)
    np.testing.assert_array_equal(read_values(grey, photo(), grey=True), labels)
    one_bit = store(tmp_path / "bit.png", labels == 255)
    assert read_pixels(one_bit, photo())[0] == "1"
    np.testing.assert_array_equal(
        read_values(one_bit, photo(), grey=True), np.where(labels == 255, 255, 0)
    )
    deep = labels.astype(np.uint16) * 200 + 1
    np.testing.assert_array_equal(
        read_values(store(tmp_path / "deep.png", deep), photo(), grey=False), deep
    )


def test_grey_colour_is_its_one_channel(tmp_path, store, photo, labels):
    rgb = store(tmp_path / "rgb.png", np.stack([labels] * 3, axis=2))
    opaque = np.stack([labels] * 3 + [np.full_like(labels, 255)], axis=2)
    same = np.stack([labels] * 4, axis=2)
    rgba = store(tmp_path / "rgba.png", opaque)
    cut = store(tmp_path / "cut.png", same)
    grey_alpha = tmp_path / "la.png"
    Image.fromarray(opaque).convert("LA").save(grey_alpha)
    for path in (rgb, rgba, cut, grey_alpha):
        np.testing.assert_array_equal(read_values(path, photo(), grey=True), labels)


def test_colour_and_hidden_transparency_are_corrupt(tmp_path, store, photo, labels):
    colour = np.stack([labels, labels, labels * 0], axis=2)
    found, message = status(
        lambda: read_values(store(tmp_path / "rgb.png", colour), photo(), grey=False)
    )
    assert found == "corrupt"
    assert "rgb.png is in colour: its channels differ" in message
    white = np.full((4, 6, 4), 255, dtype=np.uint8)
    white[..., 3] = labels
    found, message = status(
        lambda: read_values(store(tmp_path / "white.png", white), photo(), grey=False)
    )
    assert found == "corrupt"
    assert "transparency" in message


def test_deep_colour_is_refused_because_it_would_lose_labels(tmp_path, photo):
    path = tmp_path / "deep.png"
    row = b"\0" + struct.pack(">18H", *([1] * 18))
    path.write_bytes(png(4, 6, 16, 2, row * 4))
    found, message = status(lambda: read_values(path, photo(), grey=False))
    assert found == "corrupt"
    assert "16 bits a channel" in message


def test_other_modes_are_corrupt(tmp_path, photo):
    for mode in ("CMYK", "F"):
        path = tmp_path / f"{mode}.tif"
        Image.new(mode, (6, 4)).save(path)
        found, message = status(lambda path=path: read_values(path, photo(), grey=False))
        assert found == "corrupt"
        assert f"has mode {mode}" in message


def test_other_size_is_told_from_the_header_alone(tmp_path, photo):
    path = tmp_path / "a.png"
    # No pixel data at all: decoding would say corrupt.
    path.write_bytes(png(40, 60, 8, 0))
    found, message = status(lambda: read_pixels(path, photo()))
    assert found == "size_mismatch"
    assert "is for 60 x 40 px, the photo has 6 x 4 (width x height)" in message
    path.write_bytes(png(4, 6, 8, 0))
    assert status(lambda: read_pixels(path, photo()))[0] == "corrupt"
    path.write_bytes(png(6, 4, 8, 0))
    assert status(lambda: read_pixels(path, photo()))[0] == "size_mismatch"


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_bomb_is_a_size_mismatch_without_a_warning(tmp_path, photo, side, recwarn):
    path = tmp_path / "a.png"
    path.write_bytes(png(side, side, 8, 0))
    assert status(lambda: read_pixels(path, photo()))[0] == "size_mismatch"
    assert not recwarn.list


def test_missing_and_what_is_no_file(tmp_path, photo):
    assert status(lambda: read_pixels(tmp_path / "none.png", photo()))[0] == "missing"
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "zero.png").touch()
    for name in ("folder", "pipe"):
        found, message = status(lambda n=name: read_pixels(tmp_path / f"{n}.png", photo()))
        assert found == "corrupt"
        assert "not a regular file" in message
    for name, reason in (("text", "the content is not that of an image"), ("zero", "no bytes")):
        found, message = status(lambda n=name: read_pixels(tmp_path / f"{n}.png", photo()))
        assert found == "corrupt"
        assert reason in message


def test_formats_that_start_programs_are_not_opened(tmp_path, photo):
    path = tmp_path / "a.png"
    Image.new("L", (6, 4)).save(path, format="EPS")
    found, message = status(lambda: read_pixels(path, photo()))
    assert found == "corrupt"
    assert "the content is not that of an image" in message


def test_permission_is_corrupt_and_says_so(tmp_path, store, photo, labels, monkeypatch):
    path = store(tmp_path / "a.png", labels)

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    found, message = status(lambda: read_pixels(path, photo()))
    assert found == "corrupt"
    assert message.endswith("a.png cannot be read: Permission denied")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "gif", "bmp"])
def test_damage_anywhere_is_a_status_and_nothing_else(tmp_path, store, photo, labels, suffix):
    whole = store(tmp_path / f"a.{suffix}", labels).read_bytes()
    path = tmp_path / "bad.png"
    rng = np.random.default_rng(0)
    damaged = [whole[:end] for end in range(0, len(whole), max(1, len(whole) // 80))]
    for _ in range(100):
        copy = bytearray(whole)
        copy[rng.integers(len(copy))] = rng.integers(256)
        damaged.append(bytes(copy))
    statuses = set()
    for data in damaged:
        path.write_bytes(data)
        try:
            read_values(path, photo(), grey=False)
        except MaskProblem as problem:
            statuses.add(problem.status)
    assert "corrupt" in statuses
    assert statuses <= {"corrupt", "size_mismatch"}


def test_name_that_is_not_utf8_gives_a_message_that_is(tmp_path, photo):
    path = tmp_path / os.fsdecode(b"\xe9.png")
    path.write_text("hello")
    message = status(lambda: read_pixels(path, photo()))[1]
    assert r"\xe9.png" in message
    message.encode()
