"""Data sets of Hugging Face's library, saved, as data files and in memory; no network."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from tests.data.shards import jpeg
from xai_audit.data.huggingface import HuggingFace
from xai_audit.errors import DatasetError, ImageProblem
from xai_audit.vision.opening import opened

datasets = pytest.importorskip("datasets")
pytestmark = [pytest.mark.timeout(120)]

PHOTOS = [jpeg(number, 30, 20 + number) for number in range(12)]
LABELS = [0, 1, 3] * 4


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """No network, and a cache of the test's own."""
    for module in (datasets.config, sys.modules["huggingface_hub.constants"]):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    datasets.disable_progress_bars()


def made(photos=PHOTOS, labels=LABELS, names="abcd", paths=None):
    paths = [None] * len(photos) if paths is None else paths
    features = datasets.Features(
        {"photo": datasets.Image(), "kind": datasets.ClassLabel(names=list(names)),
         "text": datasets.Value("string")}
    )  # fmt: skip
    cells = [
        None if b is p is None else {"bytes": b, "path": p}
        for b, p in zip(photos, paths, strict=True)
    ]
    return datasets.Dataset.from_dict(
        {"photo": cells, "kind": labels, "text": ["x"] * len(photos)}, features=features
    )


def source(path, **options):
    defaults = dict.fromkeys(("name", "config", "split", "image", "label", "class_to_idx"))
    return HuggingFace(**defaults | {"path": str(path)} | options)


def rows(dataset):
    dataset.prepare()
    return [(e.path, e.class_name, e.split, e.problem and e.problem[0]) for e in dataset.entries()]


def content(dataset, path):
    with opened(f"{dataset.root}/{path}", dataset.open) as file:
        return file.stream.read(), file.mtime_ns


def test_a_saved_data_set(tmp_path):
    made().save_to_disk(tmp_path / "saved")
    dataset = source(tmp_path / "saved")
    found = rows(dataset)
    assert found[2] == ("all/000002.jpg", "d", "all", None)
    assert dataset.class_names() == ("a", "b", "c", "d")
    assert dataset.name == "saved"
    (arrow,) = (tmp_path / "saved").glob("*.arrow")
    for (path, *_), expected in zip(found, PHOTOS, strict=True):
        assert content(dataset, path) == (expected, arrow.stat().st_mtime_ns)


def test_splits_of_a_saved_data_set(tmp_path):
    both = datasets.DatasetDict(
        {"train": made(), "test": made(PHOTOS[:3], [0, 1, -1]).select([2, 0])}
    )
    both.save_to_disk(tmp_path / "saved")
    assert len(rows(source(tmp_path / "saved"))) == 14
    dataset = source(tmp_path / "saved", split="test")
    assert rows(dataset) == [
        ("test/000000.jpg", None, "test", "no_class"),
        ("test/000001.jpg", "a", "test", None),
    ]
    assert content(dataset, "test/000000.jpg")[0] == PHOTOS[2]
    with pytest.raises(DatasetError, match=r"no such split.*expected train, test . got nix"):
        source(tmp_path / "saved", split="nix").prepare()


def test_data_files_of_a_folder(tmp_path):
    (tmp_path / "data").mkdir()
    made().to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    dataset = source(tmp_path / "data")
    assert rows(dataset)[0] == ("train/000000.jpg", "a", "train", None)
    assert content(dataset, "train/000011.jpg")[0] == PHOTOS[11]


def test_photos_that_are_files(tmp_path):
    for number, name in enumerate(("rose", "lily")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.jpg").write_bytes(PHOTOS[number])
    dataset = source(tmp_path / "photos")
    found = rows(dataset)
    assert [name for _, name, *_ in found] == ["lily", "rose"]
    file = tmp_path / "photos" / "lily" / "1.jpg"
    assert content(dataset, found[0][0]) == (PHOTOS[1], file.stat().st_mtime_ns)
    file.unlink()
    with pytest.raises(ImageProblem, match="no such file"):
        content(dataset, found[0][0])


def test_bad_cells_are_rows(tmp_path):
    paths = [None, None, "a.png"]
    made([PHOTOS[0], None, b""], [0] * 3, paths=paths).save_to_disk(tmp_path / "saved")
    dataset = source(tmp_path / "saved")
    found = [path for path, *_ in rows(dataset)]
    assert found == ["all/000000.jpg", "all/000001.jpg", "all/000002.png"]
    with pytest.raises(ImageProblem, match="no such file"):
        content(dataset, found[1])
    assert content(dataset, found[2])[0] == b""


def test_errors_of_one_line(tmp_path, monkeypatch):
    message = r"the data set cannot be loaded: some/thing .*remedy: without a network load it"
    with pytest.raises(DatasetError, match=message):
        source("some/thing").prepare()
    made().save_to_disk(tmp_path / "saved")
    with pytest.raises(DatasetError, match=r"no column nix.*got photo, kind, text"):
        source(tmp_path / "saved", image="nix").prepare()
    for file in (tmp_path / "saved").glob("*.arrow"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DatasetError, match="the data set cannot be loaded"):
        source(tmp_path / "saved").prepare()
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DatasetError, match=r"pip install .xai-audit\[huggingface\]"):
        source(tmp_path / "saved").prepare()


def read_all(task):
    dataset, paths = task
    return [content(dataset, path)[0] for path in paths]


def test_threads_and_spawned_processes_read_at_once(tmp_path):
    made().save_to_disk(tmp_path / "saved")
    dataset = source(tmp_path / "saved")
    paths = [f"all/{number:06d}.jpg" for number in range(12)] * 5
    with ThreadPoolExecutor(8) as pool:
        assert [b for b, _ in pool.map(lambda p: content(dataset, p), paths)] == PHOTOS * 5
    sent = pickle.dumps(dataset)
    assert len(sent) < 2000
    with get_context("spawn").Pool(2) as pool:
        tasks = [(pickle.loads(sent), paths[half::2]) for half in (0, 1)]
        assert pool.map(read_all, tasks) == [(PHOTOS * 5)[half::2] for half in (0, 1)]
