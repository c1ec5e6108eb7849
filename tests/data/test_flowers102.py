import hashlib
import tarfile
import urllib.error
import urllib.request

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import Flowers102 as Torchvision

from tests.data.photo_files import noise, save
from xai_audit.data.flowers102 import Flowers102
from xai_audit.errors import DatasetError

pytestmark = pytest.mark.timeout(60)

LABELS = [102, 1, 1, 5, 5, 7]
SPLITS = {"trnid": [2, 4], "valid": [6, 5], "tstid": [1, 3]}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No network, whatever happens."""

    def refuse(*_, **__):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with tiny archives laid out as the real ones."""
    base = tmp_path / "data" / "flowers-102"
    base.mkdir(parents=True)
    for archive, folder, stem in (
        ("102flowers.tgz", "jpg", "image"),
        ("102segmentations.tgz", "segmim", "segmim"),
    ):
        with tarfile.open(base / archive, "w:gz") as tar:
            for number in range(1, len(LABELS) + 1):
                picture = save(tmp_path / "picture.jpg", noise(6, 8, seed=number))
                tar.add(picture, f"{folder}/{stem}_{number:05d}.jpg")
    savemat(base / "imagelabels.mat", {"labels": np.array([LABELS])})
    savemat(base / "setid.mat", {name: np.array([ids]) for name, ids in SPLITS.items()})
    sums = {
        key: (name, hashlib.md5((base / name).read_bytes()).hexdigest())
        for key, (name, _) in Torchvision._file_dict.items()
    }
    monkeypatch.setattr(Torchvision, "_file_dict", sums)
    return tmp_path / "data"


def flowers(root, split="test", **options):
    defaults = {"name": "flowers102", "class_to_idx": None}
    return Flowers102(**defaults | {"root": str(root), "split": split} | options)


def test_archives_on_disk_need_no_network(root):
    dataset = flowers(root)
    dataset.prepare()
    assert dataset.root == root / "flowers-102" / "jpg"
    entries = list(dataset.entries())
    assert [(entry.path, entry.class_name, entry.split) for entry in entries] == [
        ("image_00001.jpg", "blackberry-lily", "test"),
        ("image_00003.jpg", "pink-primrose", "test"),
    ]
    assert entries[0].mask == str(root / "flowers-102" / "segmim" / "segmim_00001.jpg")
    for entry in entries:
        assert (dataset.root / entry.path).is_file()
        assert (root / entry.mask).is_file()


def test_same_photos_and_labels_as_torchvision(root):
    flowers(root).prepare()
    for split in ("train", "val", "test"):
        theirs = Torchvision(root, split=split)
        dataset = flowers(root, split)
        index = {name: number for number, name in enumerate(dataset.class_names())}
        found = [(dataset.root / e.path, index[e.class_name]) for e in dataset.entries()]
        assert found == list(zip(theirs._image_files, theirs._labels, strict=True))


def test_all_is_every_split(root):
    flowers(root).prepare()
    entries = [(entry.path[-5], entry.split) for entry in flowers(root, "all").entries()]
    assert "".join(number for number, _ in entries) == "246513"
    assert [split for _, split in entries] == ["train"] * 2 + ["val"] * 2 + ["test"] * 2


def test_class_names_are_102_file_names(root, tmp_path):
    names = flowers(root).class_names()
    assert len(set(names)) == 102
    assert names[:3] == ("pink-primrose", "hard-leaved-pocket-orchid", "canterbury-bells")
    assert not any(set(name) & set(" '?/\\") for name in names)
    table = tmp_path / "t.json"
    table.write_text("{" + ",".join(f'"{n}": {101 - i}' for i, n in enumerate(names)) + "}")
    assert flowers(root, class_to_idx=str(table)).class_names() == names[::-1]


def test_names_of_older_torchvision(root, monkeypatch):
    monkeypatch.delattr(Torchvision, "classes")
    names = flowers(root).class_names()
    assert (names[0], names[-1], len(names)) == ("class_001", "class_102", 102)


def test_second_time_nothing_is_unpacked(root, monkeypatch):
    flowers(root).prepare()

    def fail(*_, **__):
        raise AssertionError

    monkeypatch.setattr(tarfile, "open", fail)
    flowers(root).prepare()


def test_interrupted_unpacking_is_finished(root):
    dataset = flowers(root)
    dataset.prepare()
    (dataset.root / "image_00003.jpg").unlink()
    dataset.prepare()
    assert (dataset.root / "image_00003.jpg").is_file()


@pytest.mark.parametrize(
    "missing", ["102flowers.tgz", "imagelabels.mat", "setid.mat", "102segmentations.tgz"]
)
def test_offline_the_files_to_fetch_are_named(root, missing):
    base = root / "flowers-102"
    (base / missing).unlink()
    with pytest.raises(DatasetError) as caught:
        flowers(root).prepare()
    text = str(caught.value)
    assert f"could not be downloaded: {base} | expected the files 102flowers.tgz, " in text
    assert f"got {missing} missing; <urlopen error no network in tests>" in text
    assert "remedy: put them there from https://www.robots.ox.ac.uk/" in text
    assert "\n" not in text


def test_nothing_there_and_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dataset = Flowers102(name="x", root=None, split="test", class_to_idx=None)
    folder = tmp_path / "cache/xai_audit/flowers102/flowers-102"
    assert dataset.root == folder / "jpg"
    with pytest.raises(DatasetError, match="102flowers.tgz, imagelabels.mat, .* missing"):
        dataset.prepare()
    with pytest.raises(DatasetError, match="Flowers-102 is incomplete"):
        list(dataset.entries())
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    dataset = Flowers102(name="x", root=None, split="test", class_to_idx=None)
    assert dataset.root == tmp_path / ".cache/xai_audit/flowers102/flowers-102/jpg"


def test_a_damaged_archive_leaves_no_half_folder(root):
    base = root / "flowers-102"
    archive = base / "102segmentations.tgz"
    archive.write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(DatasetError, match="got none missing; .*end-of-stream"):
        flowers(root).prepare()
    assert not (base / "segmim").exists()
    assert not list(base.glob("tmp*"))


def test_unknown_split():
    with pytest.raises(DatasetError, match="unknown dataset.split .*expected train, val, test"):
        flowers("x", "tset")
