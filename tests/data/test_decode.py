from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.photo_files import exif, noise, png, save, seen
from xai_audit.errors import ImageProblem
from xai_audit.index.rows import probe
from xai_audit.vision.decode import decode, upright

pytestmark = pytest.mark.timeout(20)

LIMIT = 10**7


def pixels(path, shorter_side=None, max_pixels=LIMIT):
    found = decode(str(path), shorter_side=shorter_side, max_pixels=max_pixels)
    assert found.dtype == np.uint8
    assert found.ndim == 3
    assert found.shape[2] == 3
    assert found.flags["C_CONTIGUOUS"]
    assert found.flags["WRITEABLE"]
    return found


def problem(path, **options):
    with pytest.raises(ImageProblem) as caught:
        pixels(path, **options)
    return caught.value.status, caught.value.message


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_is_the_standards_table(orientation):
    stored = noise(3, 5)
    np.testing.assert_array_equal(upright(stored, orientation), seen(stored, orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", {}),
        ("webp", {"lossless": True}),
        ("tif", {}),
        ("tif", {"compression": "tiff_lzw"}),
        ("jpg", {"quality": 100, "subsampling": 0}),
    ],
)
def test_photos_come_upright(tmp_path, suffix, options, orientation):
    stored = np.kron(noise(3, 4), np.ones((8, 8, 1), np.uint8))
    path = save(tmp_path / f"a.{suffix}", stored, exif=exif(orientation), **options)
    found = pixels(path)
    tolerance = 4 if suffix == "jpg" else 0
    difference = np.abs(found.astype(int) - seen(stored, orientation).astype(int))
    assert difference.max() <= tolerance
    header = probe(path, max_pixels=LIMIT)
    assert found.shape[:2] == (header.height, header.width)


@pytest.mark.parametrize(
    ("shorter_side", "scale"), [(None, 1), (101, 1), (100, 2), (51, 2), (50, 4), (26, 4), (25, 8)]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_large_jpegs_are_decoded_small(tmp_path, shorter_side, scale, orientation):
    ramp = np.linspace(0, 255, 403, dtype=np.uint8)
    stored = np.broadcast_to(ramp[:, None, None], (403, 608, 3)).copy()
    path = save(tmp_path / "a.jpg", stored, exif=exif(orientation), quality=95)
    found = pixels(path, shorter_side=shorter_side)
    small = (-(-403 // scale), 608 // scale)
    assert found.shape[:2] == (small if orientation == 1 else small[::-1])
    assert min(found.shape[:2]) >= 2 * (shorter_side or 0)
    # A ramp stays the ramp: no shift beyond half a stored pixel's worth of grey.
    along = found[:, :, 0].mean(axis=1 if orientation == 1 else 0)
    along = along if orientation == 1 else along[::-1]
    rows = np.minimum((np.arange(len(along)) + 0.5) * scale - 0.5, 402)
    assert np.abs(along - rows * 255 / 402).max() < 2.5


def test_only_jpegs_are_decoded_small(tmp_path):
    assert pixels(save(tmp_path / "a.png", noise(40, 40)), shorter_side=2).shape == (40, 40, 3)


def test_grey_alpha_palette_and_bits(tmp_path):
    grey = noise(4, 6, 1)
    expected = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(pixels(save(tmp_path / "l.png", grey)), expected)
    alpha = noise(4, 6, 4)
    np.testing.assert_array_equal(pixels(save(tmp_path / "a.png", alpha)), alpha[..., :3])
    np.testing.assert_array_equal(
        pixels(save(tmp_path / "la.png", np.dstack([grey, noise(4, 6, 1, seed=1)]))), expected
    )
    Image.fromarray(grey > 127).save(tmp_path / "1.png")
    np.testing.assert_array_equal(pixels(tmp_path / "1.png"), (expected > 127) * np.uint8(255))
    palette = noise(1, 256)[0]
    indexed = Image.fromarray(grey, "L").convert("P")
    indexed.putdata(grey.ravel())
    indexed.putpalette(palette.tobytes())
    for name, options in (
        ("p", {}),
        ("i", {"transparency": 3}),
        ("b", {"transparency": b"\0\x80"}),
    ):
        indexed.save(tmp_path / f"{name}.png", **options)
        np.testing.assert_array_equal(pixels(tmp_path / f"{name}.png"), palette[grey])


def test_same_colours_as_torchvisions_loader(tmp_path):
    from torchvision.datasets.folder import default_loader

    for suffix, picture in (("jpg", noise(9, 8)), ("webp", noise(9, 8, 4)), ("gif", noise(9, 8))):
        path = save(tmp_path / f"a.{suffix}", picture)
        np.testing.assert_array_equal(pixels(path), np.asarray(default_loader(path)))


def test_cmyk_is_ink_on_white(tmp_path):
    ink = noise(4, 6, 4).astype(float)
    expected = (255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255
    Image.fromarray(ink.astype(np.uint8), "CMYK").save(tmp_path / "a.tif")
    assert np.abs(pixels(tmp_path / "a.tif") - expected).max() <= 1
    flat = np.broadcast_to(np.uint8([[[200, 30, 90, 20]]]), (16, 16, 4)).copy()
    expected = (255 - flat[0, 0, :3].astype(float)) * (255 - 20) / 255
    Image.fromarray(flat, "CMYK").save(tmp_path / "a.jpg", quality=100)
    assert np.abs(pixels(tmp_path / "a.jpg") - expected).max() <= 3


def wide(path, values):
    """Numbers of more than 8 bits as a file, and the grey of its decoding."""
    Image.fromarray(values).save(path)
    found = pixels(path)
    assert (found == found[..., :1]).all()
    return found[..., 0].tolist()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.uint16([[0, 128, 129, 256, 257], [5000, 32767, 32896, 65407, 65535]])
    expected = [[0, 0, 1, 1, 1], [19, 127, 128, 255, 255]]
    assert wide(tmp_path / "a.png", values) == expected
    assert wide(tmp_path / "a.tif", values) == expected
    assert wide(tmp_path / "i.tif", values.astype(np.int32)) == expected
    (tmp_path / "b.pgm").write_bytes(b"P5 5 2 65535\n" + values.astype(">u2").tobytes())
    assert pixels(tmp_path / "b.pgm")[..., 0].tolist() == expected


def test_wider_numbers_and_floats(tmp_path):
    assert wide(tmp_path / "a.tif", np.int32([[-5, 0, 65536, 131072]])) == [[0, 0, 128, 255]]
    assert wide(tmp_path / "h.tif", np.int32([[0, 200, 255]])) == [[0, 1, 1]]
    assert wide(tmp_path / "b.tif", np.float32([[-1, 0, 0.5, 1]])) == [[0, 0, 128, 255]]
    assert wide(tmp_path / "c.tif", np.float32([[0, 1, 200.4, 255]])) == [[0, 1, 200, 255]]
    assert wide(tmp_path / "d.tif", np.float32([[0, 257, 65535]])) == [[0, 1, 255]]
    assert wide(tmp_path / "e.tif", np.float32([[0, 5e5, 1e6]])) == [[0, 128, 255]]
    odd = np.float32([[np.nan, np.inf, -np.inf, 0.5]])
    assert wide(tmp_path / "f.tif", odd) == [[0, 255, 0, 128]]
    assert wide(tmp_path / "g.tif", np.full((1, 2), np.nan, np.float32)) == [[0, 0]]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_first_frame_of_an_animation(tmp_path, suffix):
    first, second = (np.full((4, 6, 3), value, np.uint8) for value in (10, 200))
    Image.fromarray(first).save(
        tmp_path / f"a.{suffix}",
        save_all=True,
        append_images=[Image.fromarray(second)],
        **({"lossless": True} if suffix == "webp" else {}),
    )
    np.testing.assert_array_equal(pixels(tmp_path / f"a.{suffix}"), first)


@pytest.mark.parametrize(
    "suffix", ["jpg", "png", "webp", "gif", "tif", "bmp", "ppm", "jp2", "avif"]
)
def test_truncated_pixels_are_found(tmp_path, suffix):
    content = Path(save(tmp_path / f"a.{suffix}", noise(64, 64)))
    whole = content.read_bytes()
    content.write_bytes(whole[: len(whole) * 6 // 10])
    status, message = problem(content)
    assert status == "unreadable"
    assert message
    assert problem(content, shorter_side=8)[0] == "unreadable"


def test_truncation_is_named(tmp_path):
    path = save(tmp_path / "a.jpg", noise(64, 64))
    with open(path, "r+b") as file:  # noqa: PTH123
        file.truncate(2000)
    assert "truncated" in problem(path)[1]


def test_a_bomb_is_never_decoded(tmp_path):
    (tmp_path / "a.png").write_bytes(png(60_000, 60_000, raw=b"\0" * 10_000))
    assert problem(tmp_path / "a.png") == ("too_large", f"60000 x 60000 px, max_pixels is {LIMIT}")


def test_problems_are_those_of_the_header(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    assert problem(tmp_path / "a.jpg")[0] == "empty"
    assert problem(tmp_path / "none.jpg") == ("unreadable", "no such file")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tif", "bmp", "jp2", "ppm"])
def test_damage_gives_a_status_and_nothing_else(tmp_path, suffix):
    save(tmp_path / f"a.{suffix}", noise(12, 12))
    content = (tmp_path / f"a.{suffix}").read_bytes()
    random = np.random.default_rng(5)
    statuses = set()
    for _ in range(60):
        damaged = bytearray(content)
        for spot in random.integers(0, len(content), 6):
            damaged[spot] = random.integers(256)
        (tmp_path / "b").write_bytes(damaged)
        try:
            decode(str(tmp_path / "b"), shorter_side=None, max_pixels=10**5)
        except ImageProblem as caught:
            statuses.add(caught.status)
    assert statuses <= {"unreadable", "too_large", "unsupported"}
