"""Parquet with photos in its cells: what it lists, what is read of it, what is said of faults."""

from __future__ import annotations

import logging
import os
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.shards import cache, class_label, content, hugging_face, jpeg, rows, table
from xai_audit.data import _photo_table, _row_groups, _shard_index
from xai_audit.data.parquet import ParquetPhotos
from xai_audit.errors import DatasetError, ImageProblem
from xai_audit.index.rows import probe
from xai_audit.vision.opening import opened

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("cache")]
__all__ = ["cache"]

PHOTOS = [jpeg(number, 30, 20 + number) for number in range(23)]
LABELS = [number % 3 for number in range(23)]
# How the bytes lie in the file: as they are, in a dictionary, packed, in pages of many kinds.
WAYS = {
    "plain": {"compression": "none", "use_dictionary": False},
    "dictionary": {"compression": "none"},
    "version 2 pages": {"compression": "none", "data_page_version": "2.0", "data_page_size": 900},
    "small dictionary": {"compression": "none", "dictionary_pagesize_limit": 2000},
    "lengths apart": {
        "compression": "none", "use_dictionary": False,
        "column_encoding": {"image.bytes": "DELTA_LENGTH_BYTE_ARRAY"},
    },
    "prefixes apart": {
        "compression": "none", "use_dictionary": False,
        "column_encoding": {"image.bytes": "DELTA_BYTE_ARRAY"},
    },
    "snappy": {"compression": "snappy"},
    "zstd": {"compression": "zstd", "use_dictionary": False},
}  # fmt: skip
STORED = {"plain", "dictionary", "version 2 pages", "small dictionary", "lengths apart"}


def source(file, **options):
    defaults = dict.fromkeys(("name", "image", "label", "split", "group", "class_to_idx"))
    return ParquetPhotos(**defaults | {"file": str(file)} | options)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_storing_gives_the_bytes(tmp_path, way):
    # Photos come again, in their own row group and in another; one is empty.
    photos = [*PHOTOS, *(PHOTOS[n] for n in (0, 21, 22, 21)), b""]
    pq.write_table(
        table(photos, [*LABELS, 0, 1, 2, 0, 1], names="abc"), tmp_path / "p.parquet",
        row_group_size=7, **WAYS[way],
    )  # fmt: skip
    dataset = source(tmp_path / "p.parquet")
    found = rows(dataset)
    assert [path for path, *_ in found] == [f"p.parquet/{n:06d}.jpg" for n in range(len(photos))]
    for (path, *_), expected in zip(found, photos, strict=True):
        assert content(dataset, path) == expected
    ((_, index),) = dataset._shards.indexes()
    offsets = index.rows.column("offset").drop_null()
    assert (len(offsets) >= len(photos) - 1) == (way in STORED)
    order = random.Random(1).sample(range(len(photos)), len(photos))
    assert [content(dataset, found[n][0]) for n in order] == [photos[n] for n in order]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_binary_columns(tmp_path, kind):
    pq.write_table(table(PHOTOS, LABELS, kind=kind), tmp_path / "p.pq")
    dataset = source(tmp_path / "p.pq")
    assert rows(dataset)[1] == ("p.pq/000001.jpg", "1", None)
    assert content(dataset, "p.pq/000001.jpg") == PHOTOS[1]
    assert dataset.class_names() == ("0", "1", "2")
    assert dataset.name == "p"


def test_own_names_where_they_tell_rows_apart(tmp_path):
    def listed(paths):
        pq.write_table(table(PHOTOS[:3], LABELS[:3], paths=paths), tmp_path / "p.parquet")
        return [path.removeprefix("p.parquet/") for path, *_ in rows(source(tmp_path))]

    numbered = ["000000.jpg", "000001.jpg", "000002.jpg"]
    odd = ["a/é.jpg", "a/e\u0301.jpg", "🌹 b\n.png"]
    assert listed(odd) == odd
    assert content(source(tmp_path), "p.parquet/🌹 b\n.png") == PHOTOS[2]
    assert listed(["/data/a.jpg", "./b.jpg", "../c.jpg"]) == ["data/a.jpg", "b.jpg", "../c.jpg"]
    assert content(source(tmp_path), "p.parquet/../c.jpg") == PHOTOS[2]
    assert listed(["a.jpg", "a.jpg", "b.jpg"]) == numbered
    assert listed(["a.jpg", "./a.jpg", "b.jpg"]) == numbered
    assert listed(["a.jpg", None, "b.jpg"]) == numbered
    assert listed(["a.jpg", "", "b.jpg"]) == numbered


def test_labels_of_every_type(tmp_path):
    def classes(labels, **options):
        pq.write_table(table(PHOTOS[:3], labels, **options), tmp_path / "p.parquet")
        dataset = source(tmp_path / "p.parquet")
        return dataset.class_names(), [name for _, name, _ in rows(dataset)]

    assert classes([2, 0, None]) == (("0", "1", "2"), ["2", "0", None])
    # Indices of a ClassLabel, -1 where the class is not known, one that is out of range.
    assert classes([2, -1, 9], names="abcd") == (tuple("abcd"), ["c", None, None])
    assert classes(["b", "a", ""]) == (("a", "b"), ["b", "a", None])
    # Names that are numbers are names.
    assert classes(["3", "1", "1"]) == (("1", "3"), ["3", "1", "1"])
    assert classes(pa.array(["b", "a", "b"]).dictionary_encode())[1] == ["b", "a", "b"]
    assert classes([True, False, None]) == (("False", "True"), ["True", "False", None])


def test_split_and_group_and_class_to_idx(tmp_path):
    more = {"fold": ["x", "y", None], "site": [1, 2, 2]}
    pq.write_table(table(PHOTOS[:3], [0, 1, 1], names="ab", **more), tmp_path / "p.parquet")
    (tmp_path / "i.json").write_text('{"a": 7, "b": 3}')
    dataset = source(
        tmp_path / "p.parquet", split="fold", group="site", class_to_idx=str(tmp_path / "i.json")
    )
    assert [(e.split, e.group) for e in dataset.entries()] == [("x", "1"), ("y", "2"), (None, "2")]
    assert dataset.class_names() == ("b", "a")


def test_columns_are_found_or_named(tmp_path):
    file = tmp_path / "p.parquet"
    both = table(PHOTOS[:2], [0, 1]).append_column("other", pa.array([b"x", b"y"]))
    pq.write_table(both, file)
    with pytest.raises(DatasetError, match=r"which column is the image .* got image, other"):
        source(file).prepare()
    assert rows(source(file, image="image"))[0][2] is None
    noted = both.replace_schema_metadata(hugging_face(class_label("ab")))
    pq.write_table(noted, file)
    assert source(file).class_names() == ("a", "b")
    with pytest.raises(DatasetError, match=r"no column nix.*dataset.label . got image, label"):
        source(file, label="nix").prepare()
    with pytest.raises(DatasetError, match=r"the column label holds no photos"):
        source(file, image="label").prepare()
    pq.write_table(both.select(["image"]), file)
    with pytest.raises(DatasetError, match=r"which column is the label .*remedy: dataset.label"):
        source(file).prepare()
    for metadata in (b"{", b"[]", b'{"info": {"features": [1]}}'):
        pq.write_table(
            table(PHOTOS[:2], [0, 1]).replace_schema_metadata({b"huggingface": metadata}), file
        )
        assert source(file).class_names() == ("0", "1")


def test_bad_cells_are_rows(tmp_path):
    photos = [PHOTOS[0], None, b"", b"no photo at all", PHOTOS[1][:300], PHOTOS[2]]
    pq.write_table(table(photos, [0] * 6, names="a"), tmp_path / "p.parquet")
    made = pq.read_table(tmp_path / "p.parquet")
    holed = pa.array([*made["image"].to_pylist()[:5], None], made.schema.field("image").type)
    pq.write_table(made.set_column(0, "image", holed), tmp_path / "p.parquet")
    dataset = source(tmp_path)
    found = rows(dataset)
    assert [status for *_, status in found] == [
        None, "unreadable", None, None, None, "unreadable",
    ]  # fmt: skip
    statuses = []
    for path, *_ in (found[2], found[3]):
        with pytest.raises(ImageProblem) as caught:
            probe(f"{tmp_path}/{path}", max_pixels=10**6, opener=dataset.open)
        statuses.append(caught.value.status)
    assert statuses == ["empty", "unreadable"]
    assert probe(f"{tmp_path}/{found[0][0]}", max_pixels=10**6, opener=dataset.open).height == 30


def test_a_damaged_file_is_rows(tmp_path):
    for name in ("a", "b", "c"):
        pq.write_table(
            table(PHOTOS, LABELS, names="abc"), tmp_path / f"{name}.parquet",
            row_group_size=5, compression="zstd", use_dictionary=False,
        )  # fmt: skip
    whole = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:-50])
    damaged = bytearray((tmp_path / "c.parquet").read_bytes())
    chunk = pq.read_metadata(tmp_path / "c.parquet").row_group(2).column(0)
    start = chunk.data_page_offset
    damaged[start : start + chunk.total_compressed_size] = os.urandom(chunk.total_compressed_size)
    (tmp_path / "c.parquet").write_bytes(damaged)
    found = rows(source(tmp_path))
    assert len(found) == 23 + 1 + 23
    assert [(path, status) for path, _, status in found if status] == [
        ("b.parquet", "unreadable"),
        *((f"c.parquet/{number:06d}", "unreadable") for number in range(10, 15)),
    ]
    (tmp_path / "a.parquet").unlink()
    (tmp_path / "c.parquet").unlink()
    with pytest.raises(DatasetError, match="the table cannot be read: .*b.parquet"):
        source(tmp_path).prepare()


def test_files_that_disagree_and_files_that_are_none(tmp_path):
    pq.write_table(table(PHOTOS[:2], [0, 1], names="ab"), tmp_path / "1.parquet")
    pq.write_table(table(PHOTOS[:2], [0, 1], names="ba"), tmp_path / "2.parquet")
    with pytest.raises(DatasetError, match=r"two files name other classes: .*2.parquet"):
        source(tmp_path).prepare()
    assert len(rows(source(f"{tmp_path}/{{1,1}}.parquet"))) == 2
    (tmp_path / "t.txt").write_text("")
    with pytest.raises(DatasetError, match="the table cannot be read"):
        source(tmp_path / "t.txt").prepare()
    with pytest.raises(DatasetError, match="no such file or folder: dataset.file"):
        source(tmp_path / "none.parquet")


def test_large_compressed_row_groups_are_told_of(tmp_path, monkeypatch, caplog):
    pq.write_table(table(PHOTOS, LABELS), tmp_path / "p.parquet", compression="snappy")
    with caplog.at_level(logging.WARNING):
        source(tmp_path).prepare()
    assert "0.0 MB are unpacked to read one; faster: pyarrow" in caplog.text
    monkeypatch.setattr(_photo_table, "_LARGEST_GROUP", 1000)
    _shard_index.index_of.cache_clear()
    os.utime(tmp_path / "p.parquet", ns=(5, 5))
    with pytest.raises(DatasetError, match=r"row group is too large .* row_group_size=100"):
        list(source(tmp_path).entries())


@pytest.mark.parametrize("way", ["plain", "snappy"])
def test_a_changed_file_is_read_anew(tmp_path, way):
    pq.write_table(table(PHOTOS[:3], LABELS[:3]), tmp_path / "p.parquet", **WAYS[way])
    dataset = source(tmp_path)
    assert content(dataset, "p.parquet/000002.jpg") == PHOTOS[2]
    pq.write_table(table(PHOTOS[3:9], LABELS[:6]), tmp_path / "p.parquet", **WAYS[way])
    os.utime(tmp_path / "p.parquet", ns=(5, 5))
    with opened(f"{tmp_path}/p.parquet/000002.jpg", dataset.open) as file:
        assert (file.stream.read(), file.mtime_ns) == (PHOTOS[5], 5)
    assert len(list(dataset.entries())) == 6


def read_all(task):
    dataset, paths = task
    return [content(dataset, path) for path in paths]


@pytest.mark.parametrize("way", ["plain", "snappy"])
def test_threads_and_spawned_processes_read_at_once(tmp_path, way):
    pq.write_table(table(PHOTOS, LABELS), tmp_path / "p.parquet", row_group_size=4, **WAYS[way])
    dataset = source(tmp_path)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(23), 4))
    paths = [f"p.parquet/{number:06d}.jpg" for number in order]
    expected = [PHOTOS[number] for number in order]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: content(dataset, path), paths)) == expected
    with get_context("spawn").Pool(2) as pool:
        tasks = [(pickle.loads(pickle.dumps(dataset)), paths[half::2]) for half in (0, 1)]
        assert pool.map(read_all, tasks) == [expected[half::2] for half in (0, 1)]


def test_the_row_groups_that_are_kept_are_bounded(tmp_path, monkeypatch):
    pq.write_table(
        table(PHOTOS, LABELS), tmp_path / "p.parquet", row_group_size=4, **WAYS["snappy"]
    )
    dataset = source(tmp_path)
    kept, read = _row_groups._Kept(), []
    plain = _row_groups._read
    monkeypatch.setattr(_row_groups, "_KEPT", kept)
    monkeypatch.setattr(_row_groups, "_read", lambda *key: read.append(key[-1]) or plain(*key))

    def groups(*numbers):
        read.clear()
        for number in numbers:
            assert content(dataset, f"p.parquet/{number:06d}.jpg") == PHOTOS[number]
        return list(read)

    monkeypatch.setattr(_row_groups, "_MOST", 10**9)
    assert groups(0, 22, 5, 1, 21, 7) == [0, 5, 1]
    monkeypatch.setattr(_row_groups, "_MOST", 14_000)  # two groups, not three
    assert groups(9, 8, 4, 5, 0, 4, 9) == [2, 0, 2]
    assert kept._bytes == sum(group.nbytes for group in kept._groups.values()) <= 14_000
    monkeypatch.setattr(_row_groups, "_MOST", 1)
    assert groups(0, 1, 4, 0) == [0, 1, 0]
    assert len(kept._groups) == 1
