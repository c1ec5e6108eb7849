"""Photos that are no files of the system are read as files are."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xai_audit.data.csv import CsvTable
from xai_audit.data.imagefolder import ImageFolder
from xai_audit.errors import ImageProblem
from xai_audit.index.rows import probe
from xai_audit.types import Preprocess
from xai_audit.vision.decode import decode
from xai_audit.vision.loader import LoadSettings
from xai_audit.vision.opening import anywhere, local, opened, opener_of

pytestmark = pytest.mark.timeout(20)

LIMIT = 10**7
FILES = {
    "a.jpg": {"quality": 90},
    "a.png": {},
    "a.webp": {},
    "a.gif": {},
    "a.tif": {},
    "lzw.tif": {"compression": "tiff_lzw"},
    "a.bmp": {},
    "a.ppm": {},
    "a.jp2": {},
    "a.avif": {},
    "a.qoi": {},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """A folder with a photo of every format, and the same photos in a zip and a tar beside it."""
    folder = tmp_path_factory.mktemp("formats") / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    for name, options in FILES.items():
        Image.fromarray(pixels).save(folder / name, **options)
    with zipfile.ZipFile(f"{folder}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in FILES:
            archive.write(folder / name, name)
    with tarfile.open(f"{folder}.tar", "w") as archive:
        for name in FILES:
            archive.add(folder / name, name)
    return folder


def in_memory(path):
    return io.BytesIO(Path(path).read_bytes())


def in_zip(path):
    return zipfile.ZipFile(f"{Path(path).parent}.zip").open(Path(path).name)


def in_tar(path):
    stream = io.BytesIO(Path(f"{Path(path).parent}.tar").read_bytes())
    return tarfile.open(fileobj=stream).extractfile(Path(path).name)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("opener", [in_memory, in_zip, in_tar])
def test_header_and_pixels_are_those_of_the_file(photos, name, opener):
    path = str(photos / name)
    expected = probe(path, max_pixels=LIMIT)
    assert probe(path, max_pixels=LIMIT, opener=opener) == replace(expected, mtime_ns=None)
    for shorter in (None, 10):
        np.testing.assert_array_equal(
            decode(path, shorter_side=shorter, max_pixels=LIMIT, opener=opener),
            decode(path, shorter_side=shorter, max_pixels=LIMIT),
        )


def test_a_stream_may_know_when_it_was_changed(photos):
    class Dated(io.BytesIO):
        mtime_ns = 12

    def dated(path):
        return Dated(Path(path).read_bytes())

    assert probe(str(photos / "a.jpg"), max_pixels=LIMIT, opener=dated).mtime_ns == 12


def problem(opener, path="a.jpg"):
    with pytest.raises(ImageProblem) as caught:
        probe(path, max_pixels=LIMIT, opener=opener)
    return caught.value.status, caught.value.message


def test_whatever_the_users_dataset_raises_is_a_status():
    def fails(exc):
        def opener(_path):
            raise exc

        return opener

    assert problem(fails(KeyError("no member"))) == ("unreadable", "'no member'")
    assert problem(fails(RuntimeError())) == ("unreadable", "RuntimeError")
    assert problem(fails(FileNotFoundError(2, "No such file"))) == ("unreadable", "no such file")
    assert problem(fails(ImageProblem("too_large", "an object of 9 GB"))) == (
        "too_large",
        "an object of 9 GB",
    )


def test_what_a_stream_holds_is_judged_as_a_file_is():
    assert problem(lambda _: io.BytesIO()) == ("empty", "the file has no bytes")
    words = b"just some words, long enough for a header"
    assert problem(lambda _: io.BytesIO(words))[0] == "unreadable"
    assert problem(lambda _: io.BytesIO(words), "a.txt")[0] == "unsupported"


def test_a_stream_that_breaks_or_cannot_seek_is_a_status(photos):
    class Broken(io.BytesIO):
        def read(self, *_):
            raise TimeoutError("the store does not answer")

    class OneWay(io.BytesIO):
        def seek(self, *_):
            raise io.UnsupportedOperation("seek")

        def seekable(self):
            return False

    assert problem(lambda _: Broken(b"x" * 99)) == ("unreadable", "the store does not answer")
    content = (photos / "a.jpg").read_bytes()
    assert problem(lambda _: OneWay(content))[0] == "unreadable"


@pytest.mark.parametrize("opener", [None, in_memory, in_zip, in_tar])
def test_the_stream_is_closed(photos, opener):
    streams = []

    def noted(path):
        streams.append((opener or local)(path))
        return streams[-1]

    with opened(str(photos / "a.jpg"), noted) as file:
        assert file.size == (photos / "a.jpg").stat().st_size
    with pytest.raises(ValueError, match="stop"), opened(str(photos / "a.jpg"), noted):
        raise ValueError("stop")
    assert [stream.closed for stream in streams] == [True, True]


def test_a_pipe_that_a_dataset_opens_is_no_photo(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageProblem, match="not a regular file"):
        decode(str(tmp_path / "pipe"), shorter_side=None, max_pixels=LIMIT, opener=local)


def test_a_dataset_without_open_has_local_files(tmp_path):
    assert opener_of(object()) is local
    table = tmp_path / "t.csv"
    table.write_text("path,label\na.jpg,x\n")
    table = CsvTable(
        name=None, file=str(table), root=None, split=None, class_to_idx=None,
        separator="|", classes=None,
    )  # fmt: skip
    assert opener_of(table) is anywhere  # its paths may be addresses
    keys = {"name": None, "class_to_idx": None, "split": None, "links_outside": False}
    assert opener_of(ImageFolder(root=str(tmp_path), **keys)) is local


def test_worker_processes_can_be_sent_an_opener(tmp_path):
    dataset = Zipped(tmp_path / "a.zip")
    load = LoadSettings(tmp_path, Preprocess(), LIMIT, 1, 0, opener=opener_of(dataset))
    sent = pickle.loads(pickle.dumps(load))
    assert sent.opener.__self__.root == dataset.root
    assert pickle.loads(pickle.dumps(replace(load, opener=local))).opener is local


class Zipped:
    def __init__(self, root):
        self.root = root

    def open(self, path):
        return zipfile.ZipFile(self.root).open(Path(path).name)
