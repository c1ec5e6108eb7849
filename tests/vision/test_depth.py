"""Grey photos that use 12 of their 16 bits, and TIFF as cameras and scanners write it."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests import tiny
from xai_audit.config.compose import compose
from xai_audit.errors import ImageProblem
from xai_audit.run.manifest import content_fingerprint, record_of
from xai_audit.run.paths import RunPaths
from xai_audit.vision.decode import decode
from xai_audit.vision.depth import Scaled, sampled_bits
from xai_audit.vision.opening import local
from xai_audit.work.audit import Audit

LIMIT = 10**6


def pixels(path, opener=None):
    return decode(str(path), shorter_side=None, max_pixels=LIMIT, opener=opener)


def grey(path, opener=None):
    found = pixels(path, opener)
    assert (found == found[..., :1]).all()
    return found[..., 0]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_white_is_that_of_the_bits(tmp_path, bits, suffix):
    values = np.random.default_rng(0).integers(0, 2**bits, (5, 7), dtype=np.uint16)
    values[0, :2] = 0, 2**bits - 1
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    opener = pickle.loads(pickle.dumps(Scaled(local, bits)))
    expected = [[round(int(v) * 255 / (2**bits - 1)) for v in row] for row in values]
    np.testing.assert_array_equal(grey(tmp_path / f"a.{suffix}", opener), expected)


def test_what_is_beyond_the_bits_is_white_in_every_photo(tmp_path):
    Image.fromarray(np.uint16([[0, 2048, 4095, 5000, 65535]])).save(tmp_path / "a.png")
    assert grey(tmp_path / "a.png", Scaled(local, 12)).tolist() == [[0, 128, 255, 255, 255]]


@pytest.mark.parametrize(
    ("largest", "bits"), [(255, 8), (256, 12), (4095, 12), (4096, 16), (65535, 16)]
)
def test_bits_hold_the_largest_number(tmp_path, largest, bits):
    for name, top in (("a", largest // 3), ("b", largest), ("c", 5)):
        Image.fromarray(np.uint16([[0, top]])).save(tmp_path / f"{name}.tif")
    (tmp_path / "d.tif").write_bytes(b"II*\0 broken")
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    assert sampled_bits(paths, max_pixels=LIMIT, opener=local) == (bits, largest)


@pytest.mark.parametrize(
    ("largest", "keys", "bits"),
    [(4095, (), 12), (60000, (), 16), (4095, ("bits=16",), 16), (60000, ("bits=14",), 14)],
)
def test_the_index_decides_for_the_dataset(tmp_path, largest, keys, bits):
    for name, top in (("a", 300), ("b", largest)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(np.uint16([[0, top]])).save(tmp_path / "photos" / name / "1.png")
    out = tmp_path / "out"
    command = ["dataset=imagefolder", f"dataset.root={tmp_path / 'photos'}", "stages=[index]"]
    command += [f"output_dir={out}", *keys]
    result = tiny.audit(command)
    assert result.returncode == 0, result.stderr
    assert json.loads((out / "run.json").read_text())["bits"] == bits
    line = f"index: the largest number in grey photos of 16 bits is {largest}, so white is"
    assert result.stderr.count(line) == (0 if keys else 1)
    audit = Audit(RunPaths(out), compose(command), lambda _: True)
    record = record_of(audit.manifest(), 0, audit.dataset.root)
    expected = [[0, round(300 * 255 / (2**bits - 1))]]
    assert grey(record.path, audit.opener).tolist() == expected
    assert content_fingerprint(audit.selected()).endswith(f"-{bits}") == (bits < 16)


@pytest.mark.parametrize("wide", ["a", "b", "c"])
def test_the_sample_of_many_photos_has_some_of_every_class(tmp_path, wide):
    for number in range(127):
        name = "abc"[number * 3 // 127]
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        top = 60000 if name == wide else 200
        Image.fromarray(np.uint16([[0, top]])).save(tmp_path / "photos" / name / f"{number}.png")
    command = ["dataset=imagefolder", f"dataset.root={tmp_path / 'photos'}", "stages=[index]"]
    result = tiny.audit([*command, f"output_dir={tmp_path / 'out'}"])
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "out" / "run.json").read_text())["bits"] == 16


def test_wide_numbers_whose_zero_is_white_are_turned_round(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (5, 7), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    expected = 255 - np.rint(values.astype(float) * 255 / 65535)
    np.testing.assert_array_equal(grey(tmp_path / "a.tif"), expected)
    tifffile.imwrite(tmp_path / "b.tif", values.astype(np.uint8), photometric="miniswhite")
    np.testing.assert_array_equal(grey(tmp_path / "b.tif"), 255 - values.astype(np.uint8))


def test_32_bits_without_a_sign_are_not_negative(tmp_path):
    values = np.uint32([[0, 2**31, 2**32 - 1]])
    tifffile.imwrite(tmp_path / "a.tif", values)
    assert grey(tmp_path / "a.tif").tolist() == [[0, 128, 255]]
    paths = [str(tmp_path / "a.tif")]
    assert sampled_bits(paths, max_pixels=LIMIT, opener=local) == (16, 2**32 - 1)
    tifffile.imwrite(tmp_path / "b.tif", np.int32([[-5, 0, 65535]]))
    assert grey(tmp_path / "b.tif").tolist() == [[0, 0, 255]]


COLOUR = np.random.default_rng(1).integers(0, 65536, (32, 48, 3), dtype=np.uint16)


@pytest.mark.parametrize(
    "options",
    [{}, {"byteorder": ">"}, {"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True}],
)
def test_colour_of_16_bits_keeps_the_upper_eight(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", COLOUR, photometric="rgb", **options)
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif"), COLOUR >> 8)


def test_planes_of_8_bits_are_read_and_of_16_refused(tmp_path):
    planes = np.moveaxis(COLOUR, 2, 0)
    options = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "a.tif", (planes >> 8).astype(np.uint8), **options)
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif"), COLOUR >> 8)
    tifffile.imwrite(tmp_path / "b.tif", planes, **options)
    with pytest.raises(ImageProblem, match="colours of 16 bits in separate planes") as caught:
        pixels(tmp_path / "b.tif")
    assert caught.value.status == "unreadable"


@pytest.mark.parametrize(
    "options", [{"subfiletype": 1}, {"extratags": [(50706, 1, 4, (1, 4, 0, 0), True)]}]
)
def test_a_raw_file_whose_first_page_is_a_thumbnail_is_no_photo(tmp_path, options):
    with tifffile.TiffWriter(tmp_path / "a.nef") as file:
        file.write((COLOUR >> 8).astype(np.uint8)[::4, ::4].copy(), photometric="rgb", **options)
        file.write(COLOUR, photometric="rgb")
    with pytest.raises(ImageProblem, match="first page is a thumbnail") as caught:
        pixels(tmp_path / "a.nef")
    assert caught.value.status == "no_decoder"


@pytest.mark.parametrize("method", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_every_compression(tmp_path, method):
    photo = np.kron((COLOUR >> 8).astype(np.uint8), np.ones((8, 8, 1), np.uint8))
    Image.fromarray(photo).save(tmp_path / "a.tif", compression=method)
    difference = np.abs(pixels(tmp_path / "a.tif").astype(int) - photo)
    assert difference.max() <= (24 if method == "jpeg" else 0)


def test_pages_that_are_not_read_are_logged(tmp_path):
    root = tmp_path / "photos"
    for name in "ab":
        (root / name).mkdir(parents=True)
        pages = [Image.fromarray(np.full((4, 6), value, np.uint8)) for value in (10, 90, 200)]
        pages[0].save(root / name / "1.tif", save_all=True, append_images=pages[1:])
        pages[0].save(root / name / "2.tif")
    assert (grey(root / "a" / "1.tif") == 10).all()
    command = ["dataset=imagefolder", f"dataset.root={root}", "stages=[index]"]
    result = tiny.audit([*command, f"output_dir={tmp_path / 'out'}"])
    assert result.returncode == 0, result.stderr
    line = "index: 2 files have several pages: the first is the photo, 4 are not read"
    assert result.stderr.count(line) == 1
