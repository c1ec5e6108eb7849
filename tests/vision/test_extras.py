"""Photos whose format needs a package: read with it, counted as failed and named without."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, features

from tests import tiny
from tests.data.photo_files import exif, noise, save, seen
from xai_audit.errors import ImageProblem
from xai_audit.index.rows import probe
from xai_audit.vision import extras
from xai_audit.vision.decode import decode

LIMIT = 10**6
JXL = b"\xff\x0a" + b"\0" * 40
BOXED = b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a" + b"\0" * 40
HEIC = b"\0\0\0\x1cftypheic" + b"\0" * 40
AVIF = b"\0\0\0\x1cftypavif" + b"\0" * 40


@pytest.fixture
def bare(monkeypatch):
    """An environment without the packages of the extras."""
    monkeypatch.setattr(extras, "find_spec", lambda _: None)


def problem(path):
    with pytest.raises(ImageProblem) as caught:
        probe(str(path), max_pixels=LIMIT)
    return caught.value.status, caught.value.message


def put(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_photos_of_phones_come_upright(tmp_path, suffix, orientation):
    pillow_heif = pytest.importorskip("pillow_heif")
    stored = np.kron(noise(3, 4), np.ones((16, 16, 1), np.uint8))
    path = str(tmp_path / f"a.{suffix}")
    if suffix == "heic":
        photo = pillow_heif.from_pillow(Image.fromarray(stored))
        photo.save(path, quality=-1, chroma=444, exif=exif(orientation).tobytes())
    else:
        save(path, stored, exif=exif(orientation), quality=100, subsampling="4:4:4")
    expected = seen(stored, orientation)
    header = probe(path, max_pixels=LIMIT)
    found = decode(path, shorter_side=8, max_pixels=LIMIT)
    assert (header.height, header.width) == found.shape[:2] == expected.shape[:2]
    assert np.abs(found.astype(int) - expected).mean() < 4


def test_a_photo_of_a_phone_keeps_to_the_limit_and_to_a_status(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(noise(64, 64))).save(str(path))
    content = path.read_bytes()
    with pytest.raises(ImageProblem) as caught:
        probe(str(path), max_pixels=64 * 64 - 1)
    assert caught.value.status == "too_large"
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(ImageProblem) as caught:
        decode(str(path), shorter_side=None, max_pixels=LIMIT)
    assert caught.value.status == "unreadable"
    assert problem(put(tmp_path / "b.heic", HEIC))[0] == "unreadable"
    assert problem(put(tmp_path / "c.heic", b"some words that are no photo"))[0] == "unreadable"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.heic", HEIC, 'reads HEIF; remedy: pip install "xai-audit[heif]"'),
        ("no_suffix", HEIC, 'reads HEIF; remedy: pip install "xai-audit[heif]"'),
        ("a.HEIC", b"of which the content says nothing", "reads HEIF"),
        ("a.jxl", JXL, "reads JPEG XL; remedy: convert the photos to PNG or JPEG"),
        ("no_suffix", BOXED, "reads JPEG XL"),
    ],
)
def test_without_the_package_the_remedy_is_named(tmp_path, bare, name, content, says):
    status, message = problem(put(tmp_path / name, content))
    assert status == "no_decoder"
    assert says in message


def test_a_pil_without_avif_names_the_newer_one(tmp_path, monkeypatch):
    save(tmp_path / "a.avif", noise(16, 16))
    probe(str(tmp_path / "a.avif"), max_pixels=LIMIT)
    assert problem(put(tmp_path / "b.avif", AVIF))[0] == "unreadable"
    refuses = (Image.OPEN["AVIF"][0], lambda prefix: prefix[4:8] == b"ftyp" and "not installed")
    monkeypatch.setitem(Image.OPEN, "AVIF", refuses)
    monkeypatch.setattr(extras, "features", SimpleNamespace(check=lambda _: False))
    assert problem(tmp_path / "a.avif") == (
        "no_decoder",
        'nothing that is installed reads AVIF; remedy: pip install --upgrade "pillow>=11.3"',
    )
    assert features.check("avif")


def test_they_fail_and_are_named_once(tmp_path):
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        save(tmp_path / "photos" / name / "1.png")
        for number in range(2):
            put(tmp_path / "photos" / name / f"{number}.jxl", JXL)
    command = ["dataset=imagefolder", f"dataset.root={tmp_path / 'photos'}", "stages=[index]"]
    result = tiny.audit([*command, f"output_dir={tmp_path / 'out'}"])
    assert result.returncode == 4, result.stderr
    line = "index: 4 photos are not read: nothing that is installed reads JPEG XL; remedy: convert"
    assert result.stderr.count(line) == 1
    for photo in (tmp_path / "photos").rglob("*.png"):
        photo.unlink()
    result = tiny.audit([*command, f"output_dir={tmp_path / 'none'}"])
    assert result.returncode == 2
    assert "got 4 no_decoder | remedy: convert the photos to PNG or JPEG" in result.stderr


def test_a_thumbnail_in_the_file_is_not_the_photo(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    photo = pillow_heif.from_pillow(Image.fromarray(noise(256, 256)))
    photo.save(str(tmp_path / "a.heic"), thumbnails=[64])
    found = decode(str(tmp_path / "a.heic"), shorter_side=16, max_pixels=LIMIT)
    assert found.shape == (256, 256, 3)
