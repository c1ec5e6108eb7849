"""Tar shards: what they list, what is read of them, and that no damage is lost."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import random
import tarfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.data.shards import cache, content, jpeg, put, rows, write_tar
from xai_audit.data import _shard_index
from xai_audit.data.webdataset import WebDataset
from xai_audit.errors import DatasetError
from xai_audit.vision.decode import decode
from xai_audit.vision.opening import opened

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("cache")]
__all__ = ["cache"]

IMAGE = ["jpg", "jpeg", "png", "webp"]


def source(root, **options):
    defaults = {
        "name": None, "shards": None, "image": IMAGE, "label_key": None, "classes": None,
        "class_to_idx": None,
    }  # fmt: skip
    return WebDataset(**defaults | {"root": str(root)} | options)


def test_photos_of_shards_in_order_with_their_bytes(tmp_path):
    photos = {f"{shard}.tar/{number}.jpg": jpeg(10 * shard + number) for shard in (1, 0)
              for number in (2, 1)}  # fmt: skip
    for shard in (0, 1):
        members = []
        for number in (2, 1):
            members += [(f"{number}.jpg", photos[f"{shard}.tar/{number}.jpg"])]
            members += [(f"{number}.cls", b"%d\n" % (number % 2))]
        write_tar(tmp_path / f"{shard}.tar", members)
    dataset = source(tmp_path)
    assert rows(dataset) == [
        ("0.tar/2.jpg", "0", None),
        ("0.tar/1.jpg", "1", None),
        ("1.tar/2.jpg", "0", None),
        ("1.tar/1.jpg", "1", None),
    ]
    assert dataset.class_names() == ("0", "1")
    for path, expected in photos.items():
        assert content(dataset, path) == expected
        np.testing.assert_array_equal(
            decode(str(tmp_path / path), shorter_side=None, max_pixels=10**6, opener=dataset.open),
            decode("x.jpg", shorter_side=None, max_pixels=10**6,
                   opener=lambda _, data=expected: io.BytesIO(data)),
        )  # fmt: skip
    assert dataset.name == tmp_path.name


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_odd_names(tmp_path, form):
    """Unicode in two normal forms, long names, spaces, bytes that are no text, ./ and ../."""
    names = [
        "rose/é.jpg", "rose/e\u0301.jpg", "rose/" + "n" * 250 + ".jpg", "rose/a b\n.jpg",
        "rose/\udcff.jpg", "rose/..jpg".replace("..", "x."), "🌹/🌹.jpg", "rose/\\xff.jpg",
    ]  # fmt: skip
    data = {name: jpeg(number) for number, name in enumerate(names)}
    spelled = {f"./{name}" if number % 2 else name: d for number, (name, d) in
               enumerate(data.items())}  # fmt: skip
    write_tar(tmp_path / "a.tar", [*spelled.items(), ("../up/z.jpg", jpeg(99))], format=form)
    dataset = source(tmp_path / "a.tar")
    found = rows(dataset)
    assert [path for path, *_ in found] == [f"a.tar/{name}" for name in [*names, "../up/z.jpg"]]
    assert {problem for *_, problem in found} == {None}
    for name, expected in data.items():
        assert content(dataset, f"a.tar/{name}") == expected
    assert content(dataset, "a.tar/../up/z.jpg") == jpeg(99)
    assert dataset.class_names() == ("rose", "up", "🌹")


def test_labels_of_every_kind(tmp_path):
    labels = [b"2", b" 0\n", b"rose", b"7", b"", b"\xff", b"x" * 5000]
    members = []
    for number, label in enumerate(labels):
        members += [(f"{number}.jpg", jpeg()), (f"{number}.cls", label)]
    write_tar(tmp_path / "a.tar", [*members, ("n.jpg", jpeg())])
    (tmp_path / "names.txt").write_text("lily\nrose\niris\nempty\n")
    dataset = source(tmp_path, classes=str(tmp_path / "names.txt"))
    assert dataset.class_names() == ("lily", "rose", "iris", "empty")
    dataset.prepare()
    found = [(e.class_name, e.problem) for e in dataset.entries()]
    assert found == [
        ("iris", None),
        ("lily", None),
        ("rose", None),
        (None, ("no_class", "label 7, of 4 classes")),
        (None, ("no_class", "the sample has no .cls")),
        ("\\xff", None),  # none of the classes, which the index says
        (None, ("no_class", ".cls cannot be read: 5000 bytes")),
        (None, ("no_class", "the sample has no .cls")),
    ]


def test_json_labels(tmp_path):
    texts = [b'{"label": 3}', b'{"label": "rose"}', b'{"other": 1}', b"[1]", b"{",
             b'{"label": [1]}', b'{"label": 2.0}']  # fmt: skip
    members = []
    for number, text in enumerate(texts):
        members += [(f"rose/{number}.jpg", jpeg()), (f"rose/{number}.json", text)]
    write_tar(tmp_path / "a.tar", members)
    dataset = source(tmp_path, label_key="label")
    found = [(e.class_name, e.problem and e.problem[1]) for e in dataset.entries()]
    none = "the sample has no .json with label"
    assert [name for name, _ in found] == ["3", "rose", None, None, None, None, "2"]
    assert [reason for _, reason in found][2:4] == [none, none]
    assert found[4][1].startswith(".json cannot be read: Expecting")
    assert found[5][1] == "the label is a list"
    assert source(tmp_path).class_names() == ("rose",)


def test_indices_without_photos_are_classes(tmp_path):
    members = [(f"{n}.{part}", jpeg() if part == "jpg" else b"%d" % n)
               for n in (0, 2, 10) for part in ("jpg", "cls")]  # fmt: skip
    write_tar(tmp_path / "a.tar", members)
    assert source(tmp_path).class_names() == tuple(map(str, range(11)))
    (tmp_path / "i.json").write_text('{"0": 5, "2": 4, "10": 9}')
    with pytest.raises(DatasetError, match="class_to_idx lacks 8 of 11 classes"):
        source(tmp_path, class_to_idx=str(tmp_path / "i.json")).class_names()


def test_what_is_no_photo_is_a_row(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        put(archive, "rose", b"", type=tarfile.DIRTYPE)
        put(archive, "rose/1.jpg", jpeg())
        put(archive, "rose/README", b"words")
        put(archive, "rose/2.txt", b"words")
        put(archive, "rose/._1.jpg", b"AppleDouble")
        put(archive, "rose/3.jpg", b"", type=tarfile.SYMTYPE, linkname="1.jpg")
        put(archive, "rose/4.v2.jpg", jpeg())
        put(archive, "rose/5.cls", b"1")
        put(archive, "rose/6.jpg", b"")
        put(archive, "rose/7.mask.png", b"")
    found = rows(source(tmp_path))
    assert {path.removeprefix("a.tar/rose/"): status for path, _, status in found} == {
        "1.jpg": None, "README": "unsupported", "2.txt": "unsupported",
        "._1.jpg": "unsupported", "3.jpg": "unsupported", "4.v2.jpg": "unsupported",
        "5.cls": "unreadable", "6.jpg": None, "7.mask.png": "unsupported",
    }  # fmt: skip
    assert len(found) == 9


def test_a_name_that_comes_again_is_a_row_of_its_own(tmp_path):
    first, second = jpeg(1), jpeg(2)
    write_tar(tmp_path / "a.tar", [
        ("r/1.jpg", first), ("r/1.jpg", second), ("r/2.jpg", second), ("./r/1.jpg", second),
        ("r/3.jpg", first), ("r/1.jpg~2", b""),
    ])  # fmt: skip
    dataset = source(tmp_path)
    assert rows(dataset) == [
        ("a.tar/r/1.jpg", "r", None),
        ("a.tar/r/1.jpg~3", "r", "unreadable"),
        ("a.tar/r/2.jpg", "r", None),
        ("a.tar/r/1.jpg~4", "r", "unreadable"),
        ("a.tar/r/3.jpg", "r", None),
        ("a.tar/r/1.jpg~2", None, "unsupported"),
    ]
    assert content(dataset, "a.tar/r/1.jpg") == first


def test_a_key_whose_members_lie_apart_is_told(tmp_path):
    write_tar(tmp_path / "a.tar", [
        ("1.jpg", jpeg()), ("2.jpg", jpeg()), ("2.cls", b"0"), ("1.cls", b"1"),
    ])  # fmt: skip
    assert rows(source(tmp_path)) == [
        ("a.tar/1.jpg", None, "no_class"),
        ("a.tar/2.jpg", "0", None),
        ("a.tar/1.cls", None, "unreadable"),
    ]


def whole_tar():
    """Bytes of a tar of eight photos, its names, and (start, end) of each photo's bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number in range(8):
            put(archive, f"r/{number}.jpg", jpeg(number))
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        places = {m.name: (m.offset_data, m.offset_data + m.size) for m in archive}
    return stream.getvalue(), places


WHOLE, PLACES = whole_tar()


SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@example(cut=max(end for _, end in PLACES.values()) // 512 * 512 + 513)  # a byte of the end mark
@given(cut=st.integers(0, len(WHOLE) - 1))
@SETTINGS
def test_a_tar_that_is_cut_short_anywhere_is_told(tmp_path, cut):
    """Photos that are whole are usable, the one that is cut and the tar itself are rows."""
    (tmp_path / "a.tar").write_bytes(WHOLE[:cut])
    found = list(source(tmp_path).entries())
    whole = {f"a.tar/{name}" for name, (_, end) in PLACES.items() if end <= cut}
    assert {e.path for e in found if e.problem is None} == whole
    faults = {e.path: e.problem[1] for e in found if e.problem is not None}
    last = max(end for _, end in PLACES.values())
    marked = cut >= -(-last // 512) * 512 + 512  # a block of its end mark is left
    assert ("a.tar" in faults) == (not marked)
    assert all("cut short" in why for path, why in faults.items() if path != "a.tar")


@given(block=st.integers(0, len(WHOLE) // 512 - 1), byte=st.integers(0, 511))
@SETTINGS
def test_no_photo_is_lost_silently_to_a_changed_byte(tmp_path, block, byte):
    damaged = bytearray(WHOLE)
    damaged[512 * block + byte] ^= 0xA5
    (tmp_path / "a.tar").write_bytes(damaged)
    found = list(source(tmp_path).entries())
    assert {e.path for e in found} >= {f"a.tar/{n}" for n in PLACES} or any(
        e.path == "a.tar" and e.problem for e in found
    )


def test_joined_tars_are_told(tmp_path):
    (tmp_path / "a.tar").write_bytes(WHOLE + WHOLE)
    (fault,) = [e for e in source(tmp_path).entries() if e.problem]
    assert fault.path == "a.tar"
    assert "more data after its end mark" in fault.problem[1]


def test_empty_tars_are_rows_beside_others(tmp_path):
    (tmp_path / "0.tar").write_bytes(b"")
    write_tar(tmp_path / "1.tar", [])
    (tmp_path / "2.tar").write_bytes(os.urandom(4096))
    write_tar(tmp_path / "3.tar", [("r/1.jpg", jpeg())])
    found = rows(source(tmp_path))
    assert [(path, status) for path, _, status in found] == [
        ("0.tar", "unreadable"), ("1.tar", "empty"), ("2.tar", "unreadable"),
        ("3.tar/r/1.jpg", None),
    ]  # fmt: skip


def test_errors_of_one_line(tmp_path):
    with pytest.raises(DatasetError, match="no such file or folder: dataset.root: .*/none"):
        source(tmp_path / "none")
    with pytest.raises(DatasetError, match=r"dataset.root holds no shard: .* got an empty folder"):
        source(tmp_path).prepare()
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(WHOLE))
    message = r"compressed tar .*a.tar.gz . expected a plain .tar . got gzip . remedy: .*gzip -d"
    for dataset in (source(tmp_path), source(tmp_path / "a.tar.gz"),
                    source(tmp_path, shards="*.gz")):  # fmt: skip
        with pytest.raises(DatasetError, match=message):
            dataset.prepare()
    (tmp_path / "a.tar.gz").rename(tmp_path / "a.tar")
    with pytest.raises(DatasetError, match="compressed tar"):
        source(tmp_path).prepare()
    write_tar(tmp_path / "a.tar", [("1.jpg", jpeg())])
    with pytest.raises(DatasetError, match="the shards name no class"):
        source(tmp_path).prepare()
    with pytest.raises(DatasetError, match=r"a shard is missing: dataset.shards=\{a,b\}.tar"):
        source(tmp_path, shards="{a,b}.tar").prepare()
    (tmp_path / "x").write_bytes(WHOLE)
    with pytest.raises(DatasetError, match="not a tar by its name"):
        source(tmp_path, shards="x").prepare()
    for text, got in (("a\nb\na\n", "'a' twice"), ("", "nothing"), ("[1]", "an empty name")):
        (tmp_path / "n.txt").write_text(text)
        with pytest.raises(DatasetError, match=f"dataset.classes is malformed.*{got}"):
            source(tmp_path, classes=str(tmp_path / "n.txt"))


def test_patterns(tmp_path):
    for name in ("t/a-08.tar", "t/a-09.tar", "t/a-10.tar", "t/b-1.tar", "c.tar"):
        write_tar(tmp_path / name, [("r/1.jpg", jpeg())])

    def shards(pattern):
        return sorted({e.path.removesuffix("/r/1.jpg")
                       for e in source(tmp_path, shards=pattern).entries()})  # fmt: skip

    assert shards("t/a-{08..10}.tar") == ["t/a-08.tar", "t/a-09.tar", "t/a-10.tar"]
    assert shards("t/{a-09,b-1}.tar") == ["t/a-09.tar", "t/b-1.tar"]
    assert shards("t/*.tar") == ["t/a-08.tar", "t/a-09.tar", "t/a-10.tar", "t/b-1.tar"]
    assert len(shards(None)) == 5
    pattern = source(f"{tmp_path}/t/a-{{08..09}}.tar")
    assert pattern.root == tmp_path / "t"
    assert len(list(pattern.entries())) == 2


def test_a_changed_tar_is_read_anew(tmp_path, cache):
    write_tar(tmp_path / "a.tar", [("r/1.jpg", jpeg(1)), ("r/2.jpg", jpeg(2))])
    dataset = source(tmp_path)
    assert content(dataset, "a.tar/r/2.jpg") == jpeg(2)
    with opened(f"{tmp_path}/a.tar/r/2.jpg", dataset.open) as file:
        assert file.mtime_ns == (tmp_path / "a.tar").stat().st_mtime_ns
    write_tar(tmp_path / "a.tar", [("r/0.jpg", jpeg(0)), ("r/2.jpg", jpeg(3))])
    os.utime(tmp_path / "a.tar", ns=(5, 5))
    assert content(dataset, "a.tar/r/2.jpg") == jpeg(3)
    assert [e.path for e in dataset.entries()] == ["a.tar/r/0.jpg", "a.tar/r/2.jpg"]
    assert len(list(cache.rglob("*.arrow"))) == 1


def test_the_index_is_made_once_and_again_when_it_is_damaged(tmp_path, cache, monkeypatch):
    write_tar(tmp_path / "a.tar", [("r/1.jpg", jpeg(1))])
    list(source(tmp_path).entries())
    (index,) = cache.rglob("*.arrow")
    made = index.stat().st_mtime_ns
    _shard_index.index_of.cache_clear()
    assert content(source(tmp_path), "a.tar/r/1.jpg") == jpeg(1)
    assert index.stat().st_mtime_ns == made
    for damage in (b"", b"ARROW1", index.read_bytes()[:-40]):
        index.write_bytes(damage)
        _shard_index.index_of.cache_clear()
        assert content(source(tmp_path), "a.tar/r/1.jpg") == jpeg(1)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    _shard_index.index_of.cache_clear()
    assert content(source(tmp_path), "a.tar/r/1.jpg") == jpeg(1)


def read_all(task):
    dataset, paths = task
    return [content(dataset, path) for path in paths]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_threads_and_processes_read_at_once(tmp_path, method):
    members = {f"r/{number}.jpg": jpeg(number, 40, 30 + number) for number in range(30)}
    write_tar(tmp_path / "a.tar", members.items())
    dataset = source(tmp_path)
    list(dataset.entries())
    paths = [f"a.tar/{name}" for name in members] * 4
    random.Random(0).shuffle(paths)
    expected = [members[path.removeprefix("a.tar/")] for path in paths]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: content(dataset, path), paths)) == expected
    # Python 3.12 warns of a fork beside threads, which is what is to be tried.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pool = get_context(method).Pool(2)
    with pool:
        tasks = [(pickle.loads(pickle.dumps(dataset)), paths[half::2]) for half in (0, 1)]
        assert pool.map(read_all, tasks) == [expected[half::2] for half in (0, 1)]


def test_against_tarfile_on_a_real_tar_command(tmp_path):
    """``tar cf`` of a folder: the classes are its folders, whatever lies above them."""
    for name in ("photos/rose/1.jpg", "photos/lily/2.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(jpeg())
    code = os.spawnlp(os.P_WAIT, "tar", "tar", "cf", f"{tmp_path}/a.tar", "-C", tmp_path, "photos")
    if code == 127:
        pytest.skip("no tar command")
    dataset = source(tmp_path / "a.tar")
    assert {path: name for path, name, _ in rows(dataset)} == {
        "a.tar/photos/rose/1.jpg": "rose",
        "a.tar/photos/lily/2.jpg": "lily",
    }
    assert Path(tmp_path / "a.tar").is_file()
