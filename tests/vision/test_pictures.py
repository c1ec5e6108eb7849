"""Decoded pictures go through the reader of files without a changed pixel."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from xai_audit.errors import ImageProblem
from xai_audit.index.rows import probe
from xai_audit.vision.decode import decode
from xai_audit.vision.pictures import streamed

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (30, 40, 3)).astype(np.uint8)
GREY = RGB[..., 0]


def read(picture):
    return decode("x", shorter_side=None, max_pixels=10**6, opener=lambda _: picture)


@pytest.mark.parametrize(
    ("picture", "pixels"),
    [
        (RGB, RGB),
        (GREY, np.repeat(GREY[..., None], 3, 2)),
        (GREY[..., None], np.repeat(GREY[..., None], 3, 2)),
        (np.dstack([RGB, GREY]), RGB),
        (GREY > 99, np.repeat(((GREY > 99) * 255)[..., None], 3, 2)),
        (torch.from_numpy(RGB).permute(2, 0, 1), RGB),
        (torch.from_numpy(RGB).permute(2, 0, 1) / 255, RGB),
        (torch.from_numpy(GREY)[None], np.repeat(GREY[..., None], 3, 2)),
        (RGB.astype(np.uint16) * 257, RGB),
        (GREY.astype(np.uint16) * 257, np.repeat(GREY[..., None], 3, 2)),
        (Image.fromarray(RGB), RGB),
        (Image.fromarray(GREY), np.repeat(GREY[..., None], 3, 2)),
        (Image.fromarray(RGB).convert("HSV").convert("RGB"), None),
        (Image.fromarray(RGB).quantize(256), None),
        (RGB[:, ::-1], RGB[:, ::-1]),
    ],
)
def test_pixels_are_those_given(picture, pixels):
    wanted = np.asarray(picture.convert("RGB")) if pixels is None else pixels
    assert (read(picture) == wanted).all()


def test_the_files_orientation_is_not_applied_twice():
    """A loader's image shows the pixels as stored, as the loader's own model saw them."""
    data, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(data, "JPEG", quality=95, exif=exif)
    image = Image.open(data)
    assert read(image).shape == (30, 40, 3)
    assert (read(image) == np.asarray(image)).all()


def test_a_header_is_that_of_the_picture():
    found = probe("x", max_pixels=10**6, opener=lambda _: RGB)
    assert (found.format, found.mode, found.height, found.width) == ("TIFF", "RGB", 30, 40)
    other = RGB.copy()
    other[0, 0, 0] ^= 1
    changed = probe("x", max_pixels=10**6, opener=lambda _: other)
    assert found.mtime_ns == probe("x", max_pixels=10**6, opener=lambda _: RGB).mtime_ns
    assert found.mtime_ns != changed.mtime_ns
    assert 0 < found.mtime_ns < 2**63


@pytest.mark.parametrize(
    ("picture", "got"),
    [
        (torch.randn(3, 8, 8), r"floats from -\d.* to \d"),
        (np.full((4, 4), np.nan), "floats from nan to nan"),
        (np.zeros((2, 3, 8, 8)), r"ndarray \(2, 3, 8, 8\)"),
        (np.zeros((8, 8, 2), np.uint8), r"ndarray \(8, 8, 2\)"),
        (np.zeros((8, 8), np.int64), "an array of int64"),
        ("a path", "str"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_picture(picture, got):
    with pytest.raises(ImageProblem, match=f"expected a PIL image, .*; got {got}") as problem:
        streamed(picture)
    assert problem.value.status == "unsupported"


def test_more_pixels_than_allowed():
    with pytest.raises(ImageProblem) as problem:
        decode("x", shorter_side=None, max_pixels=1199, opener=lambda _: RGB)
    assert problem.value.status == "too_large"
