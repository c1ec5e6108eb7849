import inspect
import logging
import os
import sys
from pathlib import Path

import pytest
from torchvision import datasets

from tests.data.photo_files import save
from xai_audit.data import _local_folder
from xai_audit.data.imagefolder import ImageFolder
from xai_audit.errors import DatasetError

pytestmark = pytest.mark.timeout(20)


def folder(root, **options):
    defaults = {"name": None, "class_to_idx": None, "split": None, "links_outside": False}
    return ImageFolder(**defaults | {"root": str(root)} | options)


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def listed(root, **options):
    return [(entry.path, entry.class_name) for entry in folder(root, **options).entries()]


def problems(root, **options):
    entries = folder(root, **options).entries()
    return {entry.path: entry.problem for entry in entries if entry.problem}


def test_every_file_once_in_order(tmp_path):
    touch(tmp_path, "b/2.jpg", "b/10.jpg", "a/x/deep/1.png", "a/note.txt", "a/.hidden", "top.jpg")
    (tmp_path / "c").mkdir()
    source = folder(tmp_path)
    source.prepare()
    assert source.class_names() == ("a", "b", "c")
    assert listed(tmp_path) == [
        ("a/note.txt", "a"),
        ("a/x/deep/1.png", "a"),
        ("b/10.jpg", "b"),
        ("b/2.jpg", "b"),
        ("top.jpg", None),
    ]
    assert problems(tmp_path) == {
        "top.jpg": ("no_class", "the file lies in the root itself, not in a class folder")
    }


def test_what_programs_leave_behind_is_neither_class_nor_photo(tmp_path, caplog):
    touch(
        tmp_path, "a/1.jpg", "a/._1.jpg", "a/Thumbs.db", "a/.ipynb_checkpoints/1-checkpoint.jpg",
        ".ipynb_checkpoints/2.jpg", "__MACOSX/a/._1.jpg", ".DS_Store", "b/2.jpg",
    )  # fmt: skip
    source = folder(tmp_path)
    assert source.class_names() == ("a", "b")
    with caplog.at_level(logging.INFO):
        assert listed(tmp_path) == [("a/1.jpg", "a"), ("b/2.jpg", "b")]
    (said,) = caplog.messages
    assert said.startswith(
        f"{tmp_path}: 6 hidden files and folders are left out: .DS_Store, .ipynb"
    )


@pytest.mark.parametrize("given", ["root", "split"])
def test_splits_are_seen_and_one_is_audited(tmp_path, given):
    root = tmp_path / "flowers"
    touch(root, "train/a/1.jpg", "val/a/2.jpg", "val/b/3.jpg", ".git/x")
    with pytest.raises(DatasetError, match="holds splits, not classes") as caught:
        folder(root).prepare()
    assert f"remedy: dataset.root={root}/val, or dataset.split=val" in str(caught.value)
    source = folder(root / "val") if given == "root" else folder(root, split="val")
    source.prepare()
    assert source.name == "flowers-val"
    assert source.class_names() == ("a", "b")
    assert [(entry.path, entry.split) for entry in source.entries()] == [
        (path, "val" if given == "split" else None) for path in ("a/2.jpg", "b/3.jpg")
    ]


def test_classes_may_be_called_like_splits(tmp_path):
    touch(tmp_path, "test/1.jpg", "train/2.jpg")  # what a driving school photographs
    folder(tmp_path).prepare()


def test_same_classes_and_files_as_torchvision(tmp_path):
    for path in ("Zinnia/1.jpg", "aster/sub/2.jpg", "aster/0.jpg", "bee orchid/3.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        save(tmp_path / path)
    (tmp_path / "empty").mkdir()
    theirs = datasets.ImageFolder(str(tmp_path), allow_empty=True)
    ours = folder(tmp_path)
    assert list(ours.class_names()) == theirs.classes
    index = {name: number for number, name in enumerate(ours.class_names())}
    found = {(str(tmp_path / e.path), index[e.class_name]) for e in ours.entries()}
    assert found == set(theirs.samples)


@pytest.mark.parametrize(
    "name",
    ["ünïcødé", "cafe\u0301", "two words", 'it\'s "q"', "new\nline", "日本", "n" * 255, "a,b;c"],
)
def test_odd_names_are_kept_as_they_are(tmp_path, name):
    touch(tmp_path, f"{name}/{name}")
    assert folder(tmp_path).class_names() == (name,)
    assert listed(tmp_path) == [(f"{name}/{name}", name)]


def test_names_that_are_not_utf8(tmp_path):
    raw = os.fsencode(tmp_path) + b"/cl\xff"
    Path(os.fsdecode(raw)).mkdir()
    Path(os.fsdecode(raw + b"/\xe9.jpg")).write_bytes(b"x")
    source = folder(tmp_path)
    assert source.class_names() == (r"cl\xff",)
    (entry,) = source.entries()
    assert os.fsencode(entry.path) == b"cl\xff/\xe9.jpg"
    assert entry.class_name == r"cl\xff"


def test_links_are_followed_but_never_in_circles(tmp_path):
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    touch(outside, "far.jpg")
    touch(root, "a/1.jpg", "b/2.jpg")
    (root / "a/up").symlink_to("..")
    (root / "a/here").symlink_to(".")
    (root / "a/other").symlink_to("../b")
    (root / "b/back").symlink_to("../a")
    (root / "c").symlink_to(outside)
    (root / "a/self").symlink_to("self")
    (root / "a/gone.jpg").symlink_to("nowhere.jpg")
    assert folder(root).class_names() == ("a", "b", "c")
    found = problems(root)
    usable = {"a/1.jpg", "a/other/2.jpg", "b/2.jpg", "b/back/1.jpg"}
    assert {path for path, _ in listed(root)} - set(found) == usable
    status, message = found["c"]
    assert status == "outside"
    assert message == (
        f"the link leads out of dataset.root, to {outside}; remedy: dataset.links_outside=true"
    )
    assert "c" not in (allowed := problems(root, links_outside=True))
    assert {path for path, _ in listed(root, links_outside=True)} - {*allowed} == {
        *usable,
        "c/far.jpg",
    }
    assert found["a/up"] == ("symlink_loop", "the link leads back to the root, which it lies in")
    assert found["a/here"][0] == "symlink_loop"
    assert found["a/other/back"] == ("symlink_loop", "the link leads back to a/, which it lies in")
    assert found["a/self"] == ("symlink_loop", "the link leads to itself")
    assert found["a/gone.jpg"] == ("unreadable", "broken link to nowhere.jpg")
    # b/back is a whole copy of a, with a's own broken things, of which b/back/other leads back.
    assert found["b/back/other"][0] == "symlink_loop"


def test_a_split_may_link_to_what_lies_beside_it(tmp_path):
    touch(tmp_path, "all/1.jpg", "val/a/0.jpg")
    (tmp_path / "val/a/1.jpg").symlink_to("../../all/1.jpg")
    assert problems(tmp_path, split="val") == {}
    assert problems(tmp_path / "val")["a/1.jpg"][0] == "outside"


def test_folders_that_link_to_each_other_end(tmp_path):
    """Eight of them have 100,000 paths without a circle, a dozen half a billion."""
    names = "abcdefgh"
    for name in names:
        touch(tmp_path, f"{name}/1.jpg")
        for other in names.replace(name, ""):
            (tmp_path / name / other).symlink_to(f"../{other}")
    found = listed(tmp_path)
    assert {path for path, _ in found} >= {f"{name}/1.jpg" for name in names}
    assert len(found) < 3000


def test_a_class_that_is_a_circle_keeps_its_place(tmp_path):
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "b").symlink_to(".")
    assert folder(tmp_path).class_names() == ("a", "b")
    assert [(e.path, e.class_name) for e in folder(tmp_path).entries()] == [
        ("a/1.jpg", "a"),
        ("b", "b"),
    ]


def test_what_is_no_regular_file(tmp_path, unix_socket):
    touch(tmp_path, "a/1.jpg")
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    (tmp_path / "a" / "null.jpg").symlink_to("/dev/null")
    expected = ("unsupported", "not a regular file")
    assert problems(tmp_path) == {
        "a/null.jpg": expected,
        "a/pipe.jpg": expected,
        "socket.jpg": expected,
    }


def test_a_folder_that_cannot_be_listed_is_one_entry(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.jpg", "a/shut/2.jpg", "b/3.jpg")
    listing = _local_folder.listing

    def refuse(path):
        if os.fspath(path).endswith(("shut", "b")):
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(_local_folder, "listing", refuse)
    assert listed(tmp_path) == [("a/1.jpg", "a"), ("a/shut", "a"), ("b", "b")]
    assert problems(tmp_path)["a/shut"] == ("unreadable", "Permission denied")
    assert problems(tmp_path)["b"] == ("unreadable", "Permission denied")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "b").chmod(0)
    try:
        assert problems(tmp_path) == {"b": ("unreadable", "Permission denied")}
    finally:
        (tmp_path / "b").chmod(0o700)


def test_folders_deeper_than_the_recursion_limit(tmp_path):
    touch(tmp_path, "a/" + "d/" * 150 + "1.jpg")
    entries, limit = folder(tmp_path).entries(), sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 60)
    try:
        (entry,) = entries
    finally:
        sys.setrecursionlimit(limit)
    assert entry.path == "a/" + "d/" * 150 + "1.jpg"


def test_listing_is_lazy(tmp_path, monkeypatch):
    touch(tmp_path, *(f"{name}/{number}" for name in "abc" for number in range(3)))
    opened = []
    listing = _local_folder.listing
    monkeypatch.setattr(
        _local_folder, "listing", lambda path: opened.append(os.fspath(path)) or listing(path)
    )
    entries = folder(tmp_path).entries()
    assert next(entries).path == "a/0"
    assert opened == [str(tmp_path / "a")]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda root: None, "dataset.root cannot be listed"),
        (lambda root: root.write_bytes(b"x"), "got Not a directory"),
        (lambda root: root.mkdir(), "dataset.root has no class folders"),
        (lambda root: touch(root, "1.jpg"), "dataset.root has no class folders"),
        (lambda root: (root / "a").mkdir(parents=True), "dataset.root holds no file"),
    ],
)
def test_a_root_that_cannot_be_used(tmp_path, make, text):
    root = tmp_path / "root"
    make(root)
    with pytest.raises(DatasetError, match=text) as caught:
        folder(root).prepare()
    assert str(root) in str(caught.value)
    assert "remedy: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_name_and_root(tmp_path, monkeypatch):
    touch(tmp_path, "my photos/a/1.jpg")
    monkeypatch.chdir(tmp_path / "my photos")
    assert folder(".").name == "my-photos"
    assert folder(".").root == tmp_path / "my photos"
    assert folder("a/..").name == "my-photos"
    assert folder(".", name="other").name == "other"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder("~/my photos").class_names() == ("a",)


def test_class_to_idx_orders_the_classes(tmp_path):
    touch(tmp_path, "root/a/1.jpg", "root/b/2.jpg")
    table = tmp_path / "table.json"
    table.write_text('{"b": 3, "a": 7, "unseen": 0}')
    source = folder(tmp_path / "root", class_to_idx=str(table))
    assert source.class_to_idx == {"b": 3, "a": 7, "unseen": 0}
    assert source.class_names() == ("b", "a")
    table.write_text('{"b": 3}')
    with pytest.raises(DatasetError, match="class_to_idx lacks 1 of 2 classes.*expected 'a'"):
        folder(tmp_path / "root", class_to_idx=str(table)).prepare()


def test_nothing_is_logged_for_an_ordinary_folder(tmp_path, caplog):
    touch(tmp_path, "a/1.jpg")
    with caplog.at_level(logging.DEBUG, logger="xai_audit"):
        folder(tmp_path).prepare()
    assert not caplog.records


def test_a_split_that_is_a_link_out_of_the_root_is_refused_unless_allowed(tmp_path):
    root, outside = tmp_path / "photos", tmp_path / "private"
    touch(outside, "a/1.jpg")
    touch(root, "train/a/1.jpg")
    (root / "val").symlink_to(outside)
    (root / "test").symlink_to("train")
    with pytest.raises(DatasetError, match="the split leads out of dataset.root"):
        folder(root, split="val").prepare()
    folder(root, split="test").prepare()
    folder(root, split="val", links_outside=True).prepare()
    folder(root / "val").prepare()  # the root itself may be a link
