import os
from pathlib import Path

import pyarrow as pa
import pytest

from tests.data.photo_files import exif, noise, png, save
from xai_audit.data.imagefolder import ImageFolder
from xai_audit.errors import PluginError
from xai_audit.index import rows as index
from xai_audit.index.listing import listed
from xai_audit.index.rows import probe, probe_all
from xai_audit.schema import MANIFEST
from xai_audit.types import Entry

# By thread: a pool that waits for a pipe cannot be interrupted.
pytestmark = pytest.mark.timeout(20, method="thread")

BY_CALLER = {"label", "selected"}
LIMIT = 10**6


def source_of(root):
    keys = {"name": None, "class_to_idx": None, "split": None, "links_outside": False}
    return ImageFolder(root=str(root), **keys)


def rows_of(entries, root, threads=4):
    return list(probe_all(entries, Path(root), max_pixels=LIMIT, threads=threads))


def test_rows_hold_header_and_entry(tmp_path):
    path = save(tmp_path / "a.jpg", noise(5, 7), exif=exif(6))
    entry = Entry("a.jpg", "rose", mask="/m/a.png", split="test", group="g")
    (row,) = rows_of([entry], tmp_path)
    header = probe(path, max_pixels=LIMIT)
    assert row == {
        "image_id": "a.jpg", "raw_path": None, "class_name": "rose", "split": "test", "group": "g",
        "status": "ok", "error": None, "format": "JPEG", "mode": "RGB", "width": 5, "height": 7,
        "orientation": 6, "frames": 1, "file_bytes": header.file_bytes,
        "mtime_ns": header.mtime_ns, "mask": "/m/a.png",
    }  # fmt: skip


def test_a_row_each_whatever_the_file(tmp_path):
    root = tmp_path / "root"
    folder = root / "class"
    folder.mkdir(parents=True)
    save(folder / "good.png")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_bytes(b"words")
    (folder / "notes.txt").write_bytes(b"words")
    (folder / "bomb.png").write_bytes(png(60_000, 60_000))
    os.mkfifo(folder / "pipe.jpg")
    (folder / "gone.jpg").symlink_to("nowhere")
    (folder / "up").symlink_to("..")
    save(root / "loose.jpg")
    source = ImageFolder(
        name=None, root=str(root), class_to_idx=None, split=None, links_outside=False
    )
    rows = rows_of(source.entries(), root)
    assert {row["image_id"]: row["status"] for row in rows} == {
        "class/bomb.png": "too_large", "class/empty.jpg": "empty", "class/gone.jpg": "unreadable",
        "class/good.png": "ok", "class/notes.txt": "unsupported", "class/pipe.jpg": "unsupported",
        "class/text.jpg": "unreadable", "class/up": "symlink_loop", "loose.jpg": "no_class",
    }  # fmt: skip
    assert len(rows) == 9
    assert {row["file_bytes"] for row in rows if row["image_id"] == "class/notes.txt"} == {5}
    for row in rows:
        assert set(row) == set(MANIFEST.names) - BY_CALLER
        assert (row["error"] is None) == (row["status"] == "ok")
    full = [row | {"label": None, "selected": False} for row in rows]
    assert pa.Table.from_pylist(full, schema=MANIFEST).num_rows == 9


def test_ids_are_valid_unicode_and_paths_survive(tmp_path):
    names = [
        "ü.png",
        "u\u0308.png",
        "two words.png",
        "q\"'.png",
        "new\nline.png",
        "n" * 251 + ".png",
    ]
    names += [r"back\x41.png", os.fsdecode(b"\xff.png"), r"\xff.png"]
    for name in names:
        save(tmp_path / "picture.png")
        (tmp_path / "picture.png").rename(tmp_path / name)
    rows = rows_of([Entry(name, "a") for name in names], tmp_path)
    ids = [row["image_id"] for row in rows]
    assert ids[:7] == names[:7]
    assert ids[7:] == [r"\xff.png", r"\xff.png~2"]
    assert [row["raw_path"] for row in rows[:7]] == [None] * 7
    for name, row in zip(names, rows, strict=True):
        relative = row["image_id"] if row["raw_path"] is None else os.fsdecode(row["raw_path"])
        assert relative == name
        row["image_id"].encode()
        assert row["status"] == "ok"


def test_messages_and_masks_are_valid_unicode_too(tmp_path):
    odd = os.fsdecode(b"\xff")
    entry = Entry("a", "a", mask=f"/{odd}", problem=("unreadable", f"broken link to {odd}"))
    (row,) = rows_of([entry], tmp_path)
    assert (row["error"], row["mask"]) == (r"broken link to \xff", r"/\xff")
    (row,) = rows_of([Entry("nul\0.jpg", "a")], tmp_path)
    assert (row["status"], row["error"], row["file_bytes"]) == (
        "unreadable", "embedded null byte", None,
    )  # fmt: skip


def test_paths_elsewhere_are_kept_whole(tmp_path):
    path = save(tmp_path / "a.png")
    (row,) = rows_of([Entry(path, "a")], tmp_path / "root")
    assert (row["image_id"], row["raw_path"], row["status"]) == (path, None, "ok")


@pytest.mark.parametrize("threads", [1, 7])
def test_order_is_that_of_the_entries(tmp_path, threads):
    save(tmp_path / "a.png")
    names = [f"{number}.png" for number in range(700)]
    for name in names[::7]:
        os.link(tmp_path / "a.png", tmp_path / name)
    rows = rows_of((Entry(name, "a") for name in names), tmp_path, threads)
    assert [row["image_id"] for row in rows] == names
    assert [row["status"] for row in rows] == (["ok"] + ["unreadable"] * 6) * 100


def test_no_more_than_a_few_hundred_at_once(tmp_path):
    drawn = 0

    def endless():
        nonlocal drawn
        while True:
            drawn += 1
            yield Entry(f"{drawn}.png", "a")

    rows = probe_all(endless(), tmp_path, max_pixels=LIMIT, threads=2)
    for taken in range(1, 50):
        next(rows)
        assert drawn - taken < 300
    rows.close()
    assert drawn < 400


def test_an_error_of_the_program_is_not_hidden(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise AssertionError("a bug")

    monkeypatch.setattr(index, "probe", broken)
    with pytest.raises(AssertionError, match="a bug"):
        rows_of([Entry("a", "a")], tmp_path)


def test_no_file_stays_open(tmp_path):
    save(tmp_path / "a.gif")
    (tmp_path / "b.jpg").write_bytes(b"words")
    os.mkfifo(tmp_path / "c")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208
    rows_of([Entry(name, "a") for name in ("a.gif", "b.jpg", "c", ".")], tmp_path)
    after = len(os.listdir("/proc/self/fd")) if before else 0  # noqa: PTH208
    assert after == before


@pytest.mark.shared
def test_real_photos(shared):
    root = shared / "data/flowers17/images"
    source = ImageFolder(
        name="f17", root=str(root), class_to_idx=None, split=None, links_outside=False
    )
    assert len(source.class_names()) == 17
    rows = rows_of(source.entries(), root)
    assert len(rows) == 1360
    assert {row["status"] for row in rows} == {"ok"}
    assert {min(row["height"], row["width"]) for row in rows} == {256}


class Listed:
    """A dataset that lists what it is given."""

    name, class_to_idx = "mine", None

    def __init__(self, root, entries):
        self.root, self._entries = root, entries

    def class_names(self):
        return ("a", "b")

    def entries(self):
        for entry in self._entries:
            if isinstance(entry, Exception):
                raise entry
            yield entry


def test_an_entry_of_no_class_of_the_dataset_is_no_class(tmp_path):
    given = [Entry("1.jpg", "a"), Entry("2.jpg", None), Entry("3.jpg", "c")]
    assert listed(Listed(tmp_path, given)).column("status").to_pylist() == [
        None,
        "no_class",
        "no_class",
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([Entry("1.jpg", "a")] * 2, r"broke its contract: 1.jpg \| expected every file once"),
        ([("1.jpg", "a")], r"broke its contract: entries \| expected an xai_audit.types.Entry"),
        ([OSError("the server")], r"dataset mine failed: entries \| got OSError: the server"),
    ],
)
def test_a_dataset_that_breaks_its_contract_is_named(tmp_path, entries, message):
    with pytest.raises(PluginError, match=message):
        listed(Listed(tmp_path, entries))


def test_a_file_that_a_table_names_twice_is_told_by_the_table(tmp_path):
    """A row with a status of its own is no second photo."""
    twice = [Entry("1.jpg", "a"), Entry("1.jpg", "a", problem=("duplicate", "row 2"))]
    assert listed(Listed(tmp_path, twice)).num_rows == 2
