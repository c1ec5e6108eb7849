from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from tests.cues import property_canvases as made
from xai_audit.cues import _header as header
from xai_audit.cues import _jpeg_traces as jpeg_traces
from xai_audit.cues.jpeg_quality import JpegQuality

CUE = JpegQuality(name="jpeg_quality")


def test_quality_of_pil_s_own_tables(tmp_path):
    for quality in range(1, 101):
        path = tmp_path / f"{quality}.jpg"
        Image.fromarray(made.textured(size=(16, 16))).save(path, quality=quality)
        assert jpeg_traces.of_table(header.read(str(path)).luma_table) == quality


def test_quality_of_a_foreign_table_is_the_nearest_in_strength():
    table = jpeg_traces._tables()[59].ravel()
    assert jpeg_traces.of_table(tuple(np.roll(table, 1))) == pytest.approx(60, abs=8)


@pytest.mark.parametrize("quality", [6, 12, 20, 33, 60])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_bad_jpeg_saved_again_stays_one(tmp_path, quality, ending):
    first = made.stored(made.textured(), tmp_path / "first.jpg", quality=quality)
    pixels = made.array(first.photo).astype(np.uint8)
    again = made.stored(pixels, tmp_path / f"again.{ending}", quality=95)
    assert CUE.level(again) == quality


def test_pixels_that_never_were_a_jpeg_are_not_taken_for_one():
    for seed in range(20):
        light = made.textured(seed).mean(-1, dtype=np.float32)
        assert jpeg_traces.of_pixels(light) == 100


def test_coefficients_are_the_cosine_transform():
    from scipy.fft import dctn

    light = made.textured(size=(16, 24))[..., 0].astype(np.float32)
    found = jpeg_traces._coefficients(light).T
    block = dctn(light[8:, 16:], norm="ortho")
    expected = [block[v, u] for v, u in jpeg_traces._PLACES]
    np.testing.assert_allclose(found[5], expected, atol=1e-3)


def test_lossless_and_unknown_files_have_the_best_quality(tmp_path):
    assert CUE.level(made.stored(made.textured(), tmp_path / "a.png")) == 100
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    assert CUE.level(made.canvas(made.textured(), path=tmp_path / "broken.jpg")) == 100
    assert CUE.level(made.canvas(made.textured(), path=tmp_path)) == 100


def test_a_photo_stored_much_larger_is_told_by_its_header_alone(tmp_path):
    large = made.textured(size=(360, 480))
    first = made.stored(large, tmp_path / "first.jpg", quality=10)
    Image.fromarray(made.array(first.photo).astype(np.uint8)).save(tmp_path / "again.png")
    small = made.textured()
    assert CUE.level(made.canvas(small, path=tmp_path / "again.png", stored=(360, 480))) == 100
    assert CUE.level(made.canvas(small, path=tmp_path / "first.jpg", stored=(360, 480))) == 10


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "a.jpg"
    assert CUE.level(made.stored(made.textured(), path, quality=80)) == 80
    assert CUE.level(made.stored(made.textured(), path, quality=15)) == 15


def test_a_photo_in_a_store_has_the_same_quality(tmp_path):
    first = made.stored(made.textured(), tmp_path / "first.jpg", quality=12)
    again = made.stored(made.array(first.photo).astype(np.uint8), tmp_path / "again.png")
    in_store = made.elsewhere(again, (tmp_path / "again.png").read_bytes())
    assert CUE.level(in_store) == 12


def test_luma_is_of_the_pixels_that_the_model_sees(tmp_path):
    """More than 8 bits are scaled, alpha is dropped; turned it is not, for blocks start there."""
    deep = np.random.default_rng(0).integers(0, 2**16, (16, 24), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    clear = np.dstack([made.textured(size=(16, 24)), np.zeros((16, 24), np.uint8)])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(clear).save(tmp_path / "clear.png", exif=exif)
    for name, expected in (
        ("deep", np.rint(deep / 257).repeat(3).reshape(16, 24, 3)),
        ("clear", clear[..., :3]),
    ):
        found = header.luma(str(tmp_path / f"{name}.png"), max_pixels=16 * 24)
        np.testing.assert_array_equal(found, expected.astype(np.float32) @ header.LUMA)
    assert header.luma(str(tmp_path / "deep.png"), max_pixels=16 * 24 - 1) is None


def test_blockiness_is_the_log_of_steps_at_the_grid_over_others():
    blocks = np.kron(np.array([[0, 10], [10, 0]]), np.ones((8, 8)))
    light = np.tile(blocks, (2, 2)).astype(np.float32)
    assert jpeg_traces.blockiness(light) == pytest.approx(math.log(10.5 / 0.5))
    assert jpeg_traces.blockiness(light[:, :1]) > 0
    assert jpeg_traces.blockiness(np.roll(light, 3, (0, 1))) < 0
    assert jpeg_traces.blockiness(np.zeros((1, 1), np.float32)) == 0


@pytest.mark.parametrize("quality", [8, 30])
def test_transplant_equals_pil_s_own_compression(tmp_path, quality):
    pixels = made.textured()
    donor = made.stored(pixels, tmp_path / "donor.jpg", quality=quality)
    photo = made.stored(pixels, tmp_path / "photo.png")
    assert torch.equal(CUE.transplant(photo, donor), donor.photo)


def test_transplant_at_the_donor_s_stored_scale(tmp_path):
    large = made.textured(size=(240, 320))
    stored = made.stored(large, tmp_path / "donor.jpg", quality=8)

    def shrunk(photo):
        return made.array(functional.resize(photo, [120, 160])).astype(np.uint8)

    donor = made.canvas(shrunk(stored.photo), path=stored.record.path, stored=(240, 320))
    photo = made.canvas(shrunk(made.canvas(large).photo))
    result = made.array(CUE.transplant(photo, donor))
    apart = np.abs(result - made.array(donor.photo)).mean()
    assert apart < 0.6 * np.abs(made.array(photo.photo) - made.array(donor.photo)).mean()


def test_quality_is_never_raised(tmp_path):
    bad = made.stored(made.textured(), tmp_path / "bad.jpg", quality=10)
    for name, options in (("good.jpg", {"quality": 90}), ("a.png", {})):
        good = made.stored(made.textured(), tmp_path / name, **options)
        assert CUE.transplant(bad, good) is bad.photo
    assert CUE.transplant(bad, bad) is bad.photo


def test_descriptors(tmp_path):
    found = CUE.descriptors(made.stored(made.textured(), tmp_path / "a.jpg", quality=35))
    assert found[:4] == pytest.approx([0.35, 0, 0, 1])
    assert found[-1] > CUE.descriptors(made.stored(made.textured(), tmp_path / "a.png"))[-1] + 0.1


@pytest.mark.shared
def test_real_photos_show_no_second_history(shared):
    paths = sorted((shared / "data" / "flowers17" / "images").glob("*/*.jpg"))[::80]
    for path in paths:
        assert jpeg_traces.of_pixels(header.luma(str(path), max_pixels=10**8)) == 100
