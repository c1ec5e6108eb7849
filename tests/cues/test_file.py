from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from tests.cues import property_canvases as made
from xai_audit.cues._header import read
from xai_audit.cues.file import FileFacts

CUE = FileFacts(name="file")
FORMATS = slice(4, 11)
MODES = slice(11, 17)
EXIF, SOFTWARE, CAMERAS = 17, 18, slice(19, 27)


def exif(**tags: object) -> Image.Exif:
    made_exif = Image.Exif()
    numbers = {"make": 0x010F, "model": 0x0110, "software": 0x0131, "artist": 0x013B}
    for name, value in tags.items():
        made_exif[numbers[name]] = value
    return made_exif


def test_size_and_sides(tmp_path):
    path = tmp_path / "a.jpg"
    found = CUE.descriptors(made.stored(made.textured(), path))
    size = path.stat().st_size
    expected = [math.log(160), math.log(120), math.log(size), size / (160 * 120)]
    assert found[:4] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("ending", "place"),
    [("jpg", 0), ("png", 1), ("webp", 2), ("tif", 3), ("bmp", 4), ("gif", 5), ("ppm", 6)],
)
def test_format(tmp_path, ending, place):
    found = CUE.descriptors(made.stored(made.textured(), tmp_path / f"a.{ending}"))
    np.testing.assert_array_equal(found[FORMATS], np.eye(7)[place])
    assert found[MODES].sum() == 1
    # A TIFF's own tags are not a camera's.
    assert found[EXIF] == 0


def test_format_is_told_by_the_content(tmp_path):
    photo = made.stored(made.textured(), tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    renamed = made.canvas(made.array(photo.photo).astype(np.uint8), path=tmp_path / "a.jpg")
    assert CUE.descriptors(renamed)[FORMATS][1] == 1


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_camera_and_software(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    plain = CUE.descriptors(made.stored(made.textured(), path))
    assert plain[EXIF:].tolist() == [0] * 10
    tags = exif(make="Canon  ", model="EOS 300D", software="tool 1")
    found = CUE.descriptors(made.stored(made.textured(), path, exif=tags))
    assert found[EXIF] == found[SOFTWARE] == 1
    # zlib's CRC of the lower-case name; the same in every process.
    np.testing.assert_array_equal(found[CAMERAS], np.eye(8)[int.from_bytes(CRC, "big") % 8])
    assert read(str(path)).camera == "Canon EOS 300D"


CRC = bytes.fromhex("471c58b3")


def test_an_author_alone_is_no_camera(tmp_path):
    found = CUE.descriptors(made.stored(made.textured(), tmp_path / "a.jpg", exif=exif(artist="x")))
    assert found[EXIF] == found[SOFTWARE] == 0


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n broken", b"no image"])
def test_a_file_that_cannot_be_read_says_only_its_sides(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    found = CUE.descriptors(made.canvas(made.textured(), path=path))
    assert found[:2] == pytest.approx([math.log(160), math.log(120)])
    assert not found[2:].any()
    assert read(str(path)) is None


def test_a_photo_in_a_store_has_the_same_facts(tmp_path):
    path = tmp_path / "a.jpg"
    on_disk = made.stored(made.textured(), path, exif=exif(make="Canon"))
    in_store = made.elsewhere(on_disk, path.read_bytes())
    np.testing.assert_array_equal(CUE.descriptors(in_store), CUE.descriptors(on_disk))
    path.unlink()
    assert not CUE.descriptors(on_disk)[2:].any()
