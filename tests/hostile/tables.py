"""Tables of photos, COCO and VOC annotations: what each of them says, or the rows that it gives."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.case import Case
from tests.hostile.photos import JPEG, SIDE

HEIGHT, WIDTH = SIDE
_HEAD = b"path,label\n"


def _csv(content: bytes, folder: Path) -> None:
    """The table ``t.csv`` beside the photo a.jpg, below a photo that it should not need."""
    (folder / "a.jpg").write_bytes(JPEG)
    (folder / "t.csv").write_bytes(content)


def _above(folder: Path) -> None:
    (folder / "secret.jpg").write_bytes(JPEG)
    (folder / "in").mkdir()
    _csv(_HEAD + b"../secret.jpg,x\n", folder / "in")
    (folder / "in" / "t.csv").rename(folder / "t.csv")


_GOOD = b"a.jpg,x\n"
_NO_FILE = "not a regular file"
# What the rows are as JSON, or the error.
_TABLES: dict[str, tuple[str, bytes]] = {
    "a byte order mark": ('[["a.jpg", "x", null]]', b"\xef\xbb\xbf" + _HEAD + _GOOD),
    "a NUL in a path": ('[["a\\u0000.jpg", "x", "unreadable"]]', _HEAD + b"a\0.jpg,x\n"),
    "a row too short": ("expected 2 columns|Expected 2 columns", _HEAD + b"a.jpg\n"),
    "a row too long": ("Expected 2 columns", _HEAD + b"a.jpg,x,y\n"),
    "the same row twice": ('[["a.jpg", "x", null]]', _HEAD + _GOOD * 2),
    "one photo in two classes": ('[["a.jpg", "x", null]]', _HEAD + _GOOD + b"a.jpg,y\n"),
    "one photo spelled twice": ('[["a.jpg", "x", null]]', _HEAD + _GOOD + b"./a.jpg,x\n"),
    "a path that is a folder": ('[[".", "x", "unsupported"]]', _HEAD + b".,x\n"),
    "a path of a system file": (
        '[["/etc/passwd", "x", "unsupported"]]', _HEAD + b"/etc/passwd,x\n",
    ),
    "a device": ('[["/dev/zero", "x", "unsupported"]]', _HEAD + b"/dev/zero,x\n"),
    "a path of 5000 letters": ("unreadable", _HEAD + b"n" * 5000 + b",x\n"),
    "a field of 3 MiB": ("the table cannot be read|unreadable", _HEAD + b"n" * (3 << 20) + b",x\n"),
    "a quote that never ends": ("the table cannot be read|unreadable", _HEAD + b'"a.jpg,x\n' * 9),
    "no UTF-8": ("the table cannot be read", _HEAD + b"caf\xe9.jpg,x\n"),
    "UTF-16": ("lacks the column|cannot be read", (_HEAD + _GOOD).decode().encode("utf-16")),
    "no bytes": ("the table cannot be read", b""),
    "nothing but a newline": ("the table cannot be read|lacks the column", b"\n"),
    "no column path": ("the table lacks the column path", b"file,label\na.jpg,x\n"),
    "a column twice": ("the table has the column path twice", b"path,label,path\na.jpg,x,b.jpg\n"),
    "a header and no row": ("the table has no label", _HEAD),
    "no label": ("the table has no label", _HEAD + b"a.jpg,\n"),
    "a label that is HTML": (
        '[["a.jpg", "<script>alert(1)</script>", null]]',
        _HEAD + b"a.jpg,<script>alert(1)</script>\n",
    ),
    "a label that is an escape": ('[["a.jpg", "\\u001b[31m", null]]', _HEAD + b"a.jpg,\x1b[31m\n"),
    "a zip": ("the table lacks the column|cannot be read", b"PK\x03\x04" * 50),
    "an address of a file": ("unsupported", _HEAD + b"file:///etc/passwd,x\n"),
}  # fmt: skip


def _parquet(content: bytes, folder: Path) -> None:
    (folder / "t.parquet").write_bytes(content)


def _parquet_table(table: pa.Table, folder: Path) -> None:
    (folder / "a.jpg").write_bytes(JPEG)
    pq.write_table(table, folder / "t.parquet")


def _repeated(letters: int, rows: int, folder: Path) -> None:
    """A table whose column path is one text, which takes its place but once in the file."""
    indices = pa.array([0] * rows, pa.int32())
    path = pa.DictionaryArray.from_arrays(indices, pa.array(["n" * letters]))
    pq.write_table(pa.table({"path": path, "label": ["x"] * rows}), folder / "t.parquet")


def _texts(kind: pa.DataType, folder: Path) -> None:
    """A table whose column label is one text of 256 KB in each of 64 rows."""
    label = pa.array(["n" * 2**18] * 64).cast(kind)
    pq.write_table(pa.table({"path": ["a.jpg"] * 64, "label": label}), folder / "t.parquet")


def _burst(folder: Path) -> None:
    """A table of 1.1 GiB of labels in a small file."""
    label = pa.chunked_array([pa.array(["n" * 2**20] * 64)] * 18)
    table = pa.table({"path": ["a"] * 1152, "label": label})
    pq.write_table(
        table, folder / "t.parquet", compression="zstd", use_dictionary=False, row_group_size=1152
    )


TABLES = [
    *(
        Case(f"a table with {what}", expected, partial(_csv, content), "t.csv")
        for what, (expected, content) in _TABLES.items()
    ),
    Case("a table that is a folder", _NO_FILE, lambda at: (at / "t.csv").mkdir(), "t.csv"),
    Case("a table that is a pipe", _NO_FILE, lambda at: os.mkfifo(at / "t.csv"), "t.csv"),
    Case(
        "a Parquet table cut", "the table cannot be read",
        partial(_parquet, b"PAR1" + bytes(20)), "t.parquet",
    ),
    Case(
        "a Parquet table whose footer is a lie", "the table cannot be read",
        partial(_parquet, b"PAR1" + b"\xff" * 40 + b"\xff\xff\xff\x7fPAR1"), "t.parquet",
    ),
    Case(
        "a Parquet table of one huge text again and again", "longer than any path or label",
        partial(_repeated, 2**20, 2000), "t.parquet",
    ),
    *(
        Case(
            f"a Parquet table of huge texts as {kind}", "longer than any path or label",
            partial(_texts, kind), "t.parquet",
        )
        for kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
    ),
    Case(
        "a Parquet table of a row group that bursts", "a row group of the table is too large",
        _burst, "t.parquet",
    ),
    Case(
        "a Parquet table of lists", "unreadable|the table cannot be read",
        partial(_parquet_table, pa.table({"path": [["a.jpg"]], "label": [{"x": 1}]})), "t.parquet",
    ),
]  # fmt: skip

_IMAGE: dict[str, Any] = {"id": 1, "file_name": "x/a.jpg", "height": HEIGHT, "width": WIDTH}
_POLYGON = [[4, 4, 30, 4, 30, 20]]


def _coco(**changes: Any) -> bytes:
    """A COCO file of one image and one annotation, with keys of the latter changed."""
    note = {"image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": _POLYGON} | changes
    return json.dumps({"images": [_IMAGE], "annotations": [note]}).encode()


def _rle(counts: object, size: object = list(SIDE)) -> bytes:
    return _coco(segmentation={"size": size, "counts": counts})


def _image(**changes: Any) -> bytes:
    content = json.loads(_coco())
    content["images"] = [_IMAGE | changes]
    return json.dumps(content).encode()


_NO_COCO = "not a COCO annotation file"
_COCO: dict[str, tuple[str, bytes]] = {
    "sound": ("ok", _coco()),
    "no JSON": (_NO_COCO, b"{"),
    "no bytes": (_NO_COCO, b""),
    "a list": (_NO_COCO, b"[]"),
    "no images": (_NO_COCO, b'{"annotations": []}'),
    "images of numbers": (_NO_COCO, b'{"images": [1], "annotations": []}'),
    "images that are null": (_NO_COCO, b'{"images": null, "annotations": []}'),
    "100,000 brackets": (_NO_COCO, b"[" * 100_000),
    "a number of 5000 digits": (_NO_COCO, b'{"images": ' + b"9" * 5000 + b"}"),
    "no id": (_NO_COCO, b'{"images": [{"file_name": "a"}], "annotations": []}'),
    "no UTF-8": (_NO_COCO, b'{"images": "\xff"}'),
    "a size of text": ("ok", _image(height="40")),
    "a size of another photo": ("size_mismatch", _image(height=41)),
    "a size below zero": ("size_mismatch", _image(height=-40)),
    "a name above the root": ("ok", _image(file_name="../../x/a.jpg")),
    "another name": ("missing", _image(file_name="/etc/passwd")),
    "a negative box": ("empty", _coco(segmentation=None, bbox=[-9, -9, -5, -5])),
    "a box far outside": ("corrupt|empty", _coco(segmentation=None, bbox=[1e308, 0, 1e308, 9])),
    "a box of NaN": ("corrupt", _coco(segmentation=None, bbox=[float("nan"), 0, 4, 4])),
    "a box of three numbers": ("corrupt", _coco(segmentation=None, bbox=[1, 2, 3])),
    "a box of text": ("corrupt", _coco(segmentation=None, bbox="abcd")),
    "no segmentation and no box": ("corrupt", _coco(segmentation=None)),
    "a polygon of two points": ("empty", _coco(segmentation=[[1, 1, 2, 2]])),
    "a polygon of infinities": ("corrupt", _coco(segmentation=[[float("inf")] * 6])),
    "a polygon of huge integers": ("corrupt", _coco(segmentation=[[10**400] * 6])),
    "a polygon of texts": ("corrupt", _coco(segmentation=[["a"] * 6])),
    "run lengths of another size": ("corrupt", _rle([1, 2], [2**30, 2**30])),
    "run lengths beyond the photo": ("corrupt", _rle([0, HEIGHT * WIDTH + 1])),
    "run lengths short of the photo": ("corrupt", _rle([0, 5])),
    "run lengths below zero": ("corrupt", _rle([-5, HEIGHT * WIDTH + 5])),
    "run lengths of text": ("corrupt", _rle("1o")),
    "run lengths of nothing": ("corrupt", _rle(None)),
    "run lengths of 2^62": ("corrupt", _rle([2**62, 2**62])),
}  # fmt: skip


def _put(name: str, content: bytes, folder: Path) -> None:
    (folder / name).write_bytes(content)


COCO = [
    Case(f"a COCO file with {what}", expected, partial(_put, "c.json", content), "c.json")
    for what, (expected, content) in _COCO.items()
]


def _voc(boxes: str = "<bndbox><xmin>5</xmin><ymin>5</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>",
         height: object = HEIGHT, head: str = "") -> bytes:  # fmt: skip
    size = f"<size><height>{height}</height><width>{WIDTH}</width></size>"
    return f"{head}<annotation>{size}<object><name>cat</name>{boxes}</object></annotation>".encode()


def _box(x_min: object, y_min: object, x_max: object, y_max: object) -> bytes:
    sides = {"xmin": x_min, "ymin": y_min, "xmax": x_max, "ymax": y_max}
    inside = "".join(f"<{key}>{value}</{key}>" for key, value in sides.items())
    return _voc(f"<bndbox>{inside}</bndbox>")


_LAUGHS = "<!DOCTYPE a [<!ENTITY b '" + "ha" * 500 + "'><!ENTITY c '" + "&b;" * 500 + "'>]>"
_FILE = "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>"
_VOC: dict[str, tuple[str, bytes]] = {
    "sound": ("ok", _voc()),
    "no bytes": ("corrupt", b""),
    "no XML": ("corrupt", b"\x89PNG"),
    "an open tag": ("corrupt", b"<annotation><size>"),
    "entities that multiply": ("corrupt", _voc(head=_LAUGHS).replace(b"cat", b"&c;")),
    "an entity of a file": ("corrupt", _voc(head=_FILE).replace(b"cat", b"&b;")),
    "a DOCTYPE": ("corrupt", _voc(head="<!DOCTYPE a>")),
    "an encoding that nobody knows": ("corrupt", _voc(head="<?xml version='1.0' encoding='x'?>")),
    "no size": ("corrupt", b"<annotation/>"),
    "a size of text": ("corrupt", _voc(height="tall")),
    "a size of NaN": ("corrupt", _voc(height="nan")),
    "a size of infinity": ("corrupt", _voc(height="inf")),
    "a size of another photo": ("size_mismatch", _voc(height=41)),
    "no box": ("corrupt", _voc("")),
    "a box turned round": ("corrupt", _box(30, 5, 5, 20)),
    "a box of NaN": ("corrupt", _box("nan", 5, 30, 20)),
    "a box below zero": ("empty", _box(-30, -30, -5, -5)),
    "a box of infinities": ("corrupt", _box("-inf", "-inf", "inf", "inf")),
    "a box of 1e308": ("ok", _box("-1e308", "-1e308", "1e308", "1e308")),
    "no object": ("empty", _voc().replace(b"object>", b"other>")),
    "100,000 tags inside each other": ("corrupt", b"<a>" * 100_000),
    "more bytes than any": ("corrupt", b" " * (5 << 20)),
}  # fmt: skip
VOC = [
    Case(f"a VOC file with {what}", expected, partial(_put, "a.xml", content), "a.xml")
    for what, (expected, content) in _VOC.items()
]
