"""Datasets in memory: the photos, labels and classes that the caller's own loop sees."""

from __future__ import annotations

import gc
import pickle
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset
from torchvision.datasets import ImageFolder

from xai_audit.data import memory
from xai_audit.data.memory import Memory
from xai_audit.errors import DatasetError
from xai_audit.vision.decode import decode
from xai_audit.vision.opening import opener_of

RNG = np.random.default_rng(0)
PIXELS = [RNG.integers(0, 256, (20 + i, 30, 3)).astype(np.uint8) for i in range(6)]


KEPT = []


class Pairs(Dataset):
    """A dataset as people write them: a transform that is always called, labels in the items."""

    def __init__(self, transform=None, labels=(0, 2, 1, 0, 2, 2)):
        self.transform, self.numbers, self.rows_read = transform, labels, []

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, row):
        self.rows_read.append(row)
        image = Image.fromarray(PIXELS[row])
        return self.transform(image), self.numbers[row]


def opened(given):
    """The plugin of a dataset, and what it must not outlive."""
    key, samples = memory.hold(given)
    return Memory(name=None, key=key), samples


def pixels(source, entry):
    path = str(source.root / entry.path)
    return decode(path, shorter_side=None, max_pixels=10**6, opener=opener_of(source))


def check(given, labels, names, rows=range(6)):
    """Names are numbers of the model's outputs, or names in the order of the outputs."""
    source, _samples = opened(given)
    entries = list(source.entries())
    numbers = all(name.isdigit() for name in names.values())
    mapped = {name: index for index, name in names.items()}
    assert source.class_to_idx == (mapped if numbers else None)
    assert list(source.class_names()) == [names[index] for index in sorted(names)]
    assert [entry.class_name for entry in entries] == [names[labels[row]] for row in rows]
    assert len({entry.path for entry in entries}) == len(rows)
    for entry, row in zip(entries, rows, strict=True):
        assert (pixels(source, entry) == PIXELS[row]).all()
    return entries


def test_pairs_of_a_dataset_before_its_transform():
    given = Pairs(transform=lambda _: 1 / 0)
    entries = check(given, given.numbers, {0: "0", 1: "1", 2: "2"})
    assert [entry.path for entry in entries[:2]] == ["0/000000", "2/000001"]
    with pytest.raises(ZeroDivisionError):  # the caller's own is as it was
        given[0]


def test_names_that_the_dataset_has():
    given = Pairs(lambda x: x)
    given.classes = ["rose", "tulip/red", "daisy", "none of these"]
    entries = check(given, given.numbers, dict(enumerate(given.classes)))
    assert entries[2].path == "tulip-red/000002"


def test_labels_that_are_kept_beside_need_a_photo_a_class():
    given = Pairs(lambda x: x)
    given.targets = np.array(given.numbers)
    _source, samples = opened(given)
    assert sorted(given.rows_read) == [0, 1, 2]
    assert samples.labels == ["0", "2", "1", "0", "2", "2"]


@pytest.mark.parametrize("held", [(1, 3, 2, 1, 3, 3), (0, 1, 2, 0, 1, 1), ["a"] * 6, [0.5] * 6])
def test_labels_beside_that_are_not_those_of_the_items(held):
    """As where an item maps its label, or the attribute means something else."""
    given = Pairs(lambda x: x)
    given.labels = held
    _source, samples = opened(given)
    assert samples.labels == ["0", "2", "1", "0", "2", "2"]


def test_names_whose_indices_the_dataset_gives():
    given = Pairs(lambda x: x, labels=("cat", "dog", "cat", "dog", "dog", "cat"))
    given.class_to_idx = {"dog": 0, "cat": 1, "owl": 2}
    source, samples = opened(given)
    assert source.class_names() == ("dog", "cat", "owl")
    assert source.class_to_idx is None
    assert samples.labels == list(given.numbers)
    given.class_to_idx = {"dog": 207, "cat": 281}
    source, _samples = opened(given)
    assert source.class_to_idx == {"dog": 207, "cat": 281}


class Cropped(ImageFolder):
    """A folder of one's own that does more than open files."""

    def __getitem__(self, row):
        image, label = super().__getitem__(row)
        return image.crop((0, 0, 8, 8)), 1 - label


def test_a_folder_whose_items_are_more_than_files(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(PIXELS[0]).save(tmp_path / name)
    source, _samples = opened(Cropped(tmp_path))
    entries = list(source.entries())
    assert [entry.class_name for entry in entries] == ["b", "a"]
    assert pixels(source, entries[0]).shape == (8, 8, 3)
    source, _samples = opened(ImageFolder(tmp_path, loader=lambda path: Image.open(path).copy()))
    assert next(source.entries()).path == "a/000000"


def test_the_last_of_two_that_have_one_key():
    """The same ids and labels, other pixels: a notebook's earlier run keeps the first alive."""
    first = list(zip(PIXELS, [0] * 6, strict=True))
    second = [(255 - image, label) for image, label in first]
    for given in (first, second, first):
        source, samples = opened(given)
        assert (pixels(source, next(source.entries())) == given[0][0]).all()
        KEPT.append(samples)


def test_a_subset_of_a_subset():
    given = Pairs(lambda x: x)
    inner = Subset(given, [5, 3, 1, 0])
    entries = check(Subset(inner, [2, 0]), given.numbers, {2: "2"}, rows=[1, 5])
    assert [entry.path for entry in entries] == ["2/000001", "2/000005"]


def test_a_list_of_pairs_and_one_of_mappings():
    labels = [1, 0, 1, 0, 1, 1]
    check(list(zip(PIXELS, labels, strict=True)), labels, {0: "0", 1: "1"})
    items = [{"image": p, "label": n} for p, n in zip(PIXELS, labels, strict=True)]
    check(items, labels, {0: "0", 1: "1"})
    words = ["b", "a", "b", "a", "b", "b"]
    check(list(zip(PIXELS, words, strict=True)), labels, {0: "a", 1: "b"})


def test_a_folder_that_torchvision_lists_is_read_as_files(tmp_path):
    for name, row in (("rose/a.png", 0), ("daisy/b.png", 1), ("rose/deep/c.png", 2)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[row]).save(tmp_path / name)
    folder = ImageFolder(tmp_path, transform=lambda _: 1 / 0)
    source, _samples = opened(folder)
    found = {entry.path: entry.class_name for entry in source.entries()}
    wanted = {"daisy/b.png": "daisy", "rose/a.png": "rose", "rose/deep/c.png": "rose"}
    assert found == wanted
    assert list(source.class_names()) == folder.classes == ["daisy", "rose"]
    assert (pixels(source, next(source.entries())) == PIXELS[1]).all()
    source, _samples = opened(Subset(folder, [2]))
    assert [entry.path for entry in source.entries()] == ["rose/deep/c.png"]


def test_a_table_of_hugging_faces_library():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"img": datasets.Image(), "fine_label": datasets.ClassLabel(names=["rose", "daisy"])}
    )
    rows = {"img": [Image.fromarray(p) for p in PIXELS], "fine_label": [1, 0, 1, 1, 0, 0]}
    table = datasets.Dataset.from_dict(rows, features=features)
    augmented = table.with_transform(lambda _: 1 / 0)
    check(augmented, rows["fine_label"], {0: "rose", 1: "daisy"})


@dataclass
class OneAtATime(Dataset):
    """A dataset that breaks when two threads ask it at once, as one on an open file does."""

    busy: list = field(default_factory=list)
    targets = [0] * 6

    def __len__(self):
        return 6

    def __getitem__(self, row):
        assert not self.busy
        self.busy.append(row)
        image = Image.fromarray(PIXELS[row]).resize((400, 400))
        self.busy.clear()
        return image, 0


def test_several_threads_ask_one_after_another():
    source, _samples = opened(OneAtATime())
    paths = [str(source.root / entry.path) for entry in source.entries()]
    problems = []

    def work():
        try:
            for path in paths * 5:
                source.open(path)
        except AssertionError as exc:
            problems.append(exc)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_a_process_that_is_spawned_gets_a_copy():
    source, _samples = opened(OneAtATime())
    path = str(source.root / "0/000003")
    source.open(path)
    again = pickle.loads(pickle.dumps(source.open))
    assert (np.asarray(again(path)) == np.asarray(source.open(path))).all()


def test_the_key_is_that_of_the_ids_and_labels():
    keys = [memory.hold(Pairs(lambda x: x))[0] for _ in range(2)]
    assert keys[0] == keys[1]
    assert keys[0].startswith("pairs-")
    assert memory.hold(Pairs(lambda x: x, labels=(0, 2, 1, 0, 2, 1)))[0] != keys[0]
    assert memory.hold(Subset(Pairs(lambda x: x), [0, 1]))[0] != keys[0]


def test_a_dataset_that_is_no_longer_there():
    key = memory.hold(Pairs(lambda x: x, labels=(1, 1)))[0]
    gc.collect()
    with pytest.raises(DatasetError, match=f"or is there no longer: dataset.key={key} "):
        Memory(name=None, key=key)


class Stream(IterableDataset):
    def __iter__(self):
        yield from ()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (Stream(), "the dataset cannot be indexed: photos .*got Stream"),
        (iter([]), "the dataset cannot be indexed: photos .*got list_iterator"),
        ([], "the dataset is empty: photos "),
        ([PIXELS[0]], r"an item of the dataset is no pair: photos\[0\] .*got ndarray"),
        (
            [{"x": 1, "label": 0}],
            "items lack a key: photos .*expected one of image, .*got x, label",
        ),
        ([(PIXELS[0], 0), (PIXELS[1], "a")], "some labels are numbers and some are text: photos"),
        (Subset(Pairs(lambda x: x), [1, 1]), "the dataset has an item more than once: photos"),
        ([(PIXELS[0], 0.5)], r"a label that is no class: photos\[0\] .*got 0.5"),
        ([(PIXELS[0], -1)], r"a label that is no class: photos\[0\] .*got -1"),
        ([(PIXELS[0], np.array([0, 1]))], r"a label that is no class: photos\[0\] .*got array"),
    ],
)
def test_what_is_no_dataset_of_images_and_labels(given, line):
    with pytest.raises(DatasetError, match=line):
        memory.hold(given)
