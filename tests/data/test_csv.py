import logging
import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xai_audit.data import _table as table_module
from xai_audit.data.csv import CsvTable
from xai_audit.errors import DatasetError

pytestmark = pytest.mark.timeout(20)


def source(file, **options):
    defaults = {"name": None, "root": None, "split": None, "class_to_idx": None}
    defaults |= {"separator": "|", "classes": None}
    return CsvTable(**defaults | {"file": str(file)} | options)


def write(folder, text, name="t.csv", files=("a.jpg", "b.jpg", "c.jpg")):
    for file in files:
        (folder / file).write_bytes(b"x")
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_all_columns(tmp_path):
    file = write(
        tmp_path,
        "group,path,extra,label,mask,split\n"
        "g1,a.jpg,1,rose,m/a.png,train\n"
        ",b.jpg,,lily,,\n"
        f",c.jpg,x,rose,{tmp_path}/c.png,test\n",
    )
    dataset = source(file)
    dataset.prepare()
    assert (dataset.name, dataset.root) == ("t", tmp_path)
    assert dataset.class_names() == ("lily", "rose")
    rows = [(e.path, e.class_name, e.mask, e.split, e.group, e.problem) for e in dataset.entries()]
    assert rows == [
        ("a.jpg", "rose", f"{tmp_path}/m/a.png", "train", "g1", None),
        ("b.jpg", "lily", None, None, None, None),
        ("c.jpg", "rose", f"{tmp_path}/c.png", "test", None, None),
    ]


def test_only_the_two_needed_columns(tmp_path):
    (entry,) = source(write(tmp_path, "path,label\na.jpg,rose\n")).entries()
    assert (entry.mask, entry.split, entry.group) == (None, None, None)


def test_labels_are_numbers_where_all_are(tmp_path):
    text = "path,label\na.jpg,10\nb.jpg,9\nc.jpg,{}\n"
    assert source(write(tmp_path, text.format("-1"))).class_names() == ("-1", "9", "10")
    assert source(write(tmp_path, text.format("x"))).class_names() == ("10", "9", "x")
    assert source(write(tmp_path, text.format("NA"))).class_names() == ("10", "9", "NA")
    assert source(write(tmp_path, text.format("009"))).class_names() == ("009", "9", "10")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([10, 9, None]),
        pa.array([10.0, 9.0, float("nan")]),
        pa.array(["10", "9", None]),
        pa.array(["10", "9", ""]).dictionary_encode(),
        pa.array([b"10", b"9", None]),
    ],
)
def test_parquet_labels_of_every_type(tmp_path, column):
    write(tmp_path, "")
    pq.write_table(
        pa.table({"path": ["a.jpg", "b.jpg", "c.jpg"], "label": column}), tmp_path / "t.parquet"
    )
    dataset = source(tmp_path / "t.parquet")
    dataset.prepare()
    assert dataset.class_names() == ("9", "10")
    last = list(dataset.entries())[2]
    assert (last.class_name, last.problem) == (None, ("no_class", "the table gives no label"))


def test_parquet_of_pandas_equals_the_csv(tmp_path):
    file = write(tmp_path, "path,label,split\na.jpg,1,train\nb.jpg,2,\n")
    pd.read_csv(file).to_parquet(tmp_path / "t.parquet")
    pairs = [source(name).entries() for name in (file, tmp_path / "t.parquet")]
    assert list(pairs[0]) == list(pairs[1])


def test_split_keeps_its_rows_and_all_classes(tmp_path):
    file = write(tmp_path, "path,label,split\na.jpg,rose,train\nb.jpg,lily,test\nc.jpg,iris,\n")
    dataset = source(file, split="test")
    assert [entry.path for entry in dataset.entries()] == ["b.jpg"]
    assert dataset.class_names() == ("iris", "lily", "rose")
    with pytest.raises(DatasetError, match="rows of split 'tset' . got '', 'test', 'train'"):
        source(file, split="tset").prepare()
    with pytest.raises(DatasetError, match="lacks the column split.*got path,label"):
        source(write(tmp_path, "path,label\na.jpg,x\n"), split="test").prepare()


def test_a_repeated_path_counts_once(tmp_path, caplog):
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("sub")
    rows = ["a.jpg", "./a.jpg", "sub/../a.jpg", str(tmp_path / "a.jpg"), ".//a.jpg", "b.jpg"]
    text = "path,label\n" + "".join(f"{path},x{number}\n" for number, path in enumerate(rows))
    with caplog.at_level(logging.WARNING):
        entries = list(source(write(tmp_path, text)).entries())
    assert [(entry.path, entry.class_name) for entry in entries] == [
        ("a.jpg", "x0"),
        ("b.jpg", "x5"),
    ]
    assert "4 repeated paths" in caplog.text


def test_rows_without_a_path_are_counted(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        entries = list(source(write(tmp_path, 'path,label\n"",x\na.jpg,x\n')).entries())
    assert [entry.path for entry in entries] == ["a.jpg"]
    assert "1 rows without a path" in caplog.text


def test_paths_outside_the_root(tmp_path):
    root = tmp_path / "root"
    (root / "deep/real").mkdir(parents=True)
    (root / "link").symlink_to("deep/real")
    for path in ("out.jpg", "root/in.jpg", "root/deep/x.jpg"):
        (tmp_path / path).write_bytes(b"x")
    names = ["../out.jpg", str(root / "in.jpg"), "link/../x.jpg", "../none.jpg"]
    text = "path,label\n" + "".join(f"{name},x\n" for name in names)
    dataset = source(write(tmp_path, text), root=str(root))
    found = [(entry.path, entry.problem) for entry in dataset.entries()]
    assert found == [
        (str(tmp_path / "out.jpg"), None),
        ("in.jpg", None),
        ("deep/x.jpg", None),  # where the system goes: link/.. is deep
        (str(tmp_path / "none.jpg"), ("unreadable", "no such file")),
    ]
    for path, problem in found:
        assert (root / path).exists() == (problem is None)


def test_bad_paths_are_rows_with_a_problem(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    names = ["none.jpg", "a.jpg/x", "loop", "nul\0.jpg", "n" * 300, "nul\0/../x.jpg"]
    pq.write_table(pa.table({"path": names, "label": ["x"] * 6}), tmp_path / "t.parquet")
    write(tmp_path, "")
    problems = [entry.problem for entry in source(tmp_path / "t.parquet").entries()]
    assert [status for status, _ in problems] == ["unreadable"] * 6
    assert [message for _, message in problems][:5] == [
        "no such file",
        "Not a directory",
        "Too many levels of symbolic links",
        "embedded null byte",
        "File name too long",
    ]


def test_odd_names(tmp_path):
    names = ["two words.jpg", "ü.jpg", 'q"uote.jpg', "new\nline.jpg", "com,ma.jpg"]
    quoted = "".join('"{}",x\n'.format(name.replace('"', '""')) for name in names)
    file = write(tmp_path, "path,label\n" + quoted, files=names)
    assert [(e.path, e.problem) for e in source(file).entries()] == [(n, None) for n in names]


def test_paths_of_bytes(tmp_path):
    raw = b"\xff.jpg"
    with open(os.fsencode(tmp_path) + b"/" + raw, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write(b"x")
    pq.write_table(pa.table({"path": [raw], "label": [b"\xff"]}), tmp_path / "t.parquet")
    (entry,) = source(tmp_path / "t.parquet").entries()
    assert (os.fsencode(entry.path), entry.class_name, entry.problem) == (raw, r"\xff", None)


def test_tabs_and_class_to_idx(tmp_path):
    file = write(tmp_path, "path\tlabel\na.jpg\trose\nb.jpg\tlily\n", name="t.tsv")
    (tmp_path / "map.csv").write_text("rose,0\nlily,1\n")
    assert source(file).class_names() == ("lily", "rose")
    assert source(file, class_to_idx=str(tmp_path / "map.csv")).class_names() == ("rose", "lily")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_as_spreadsheets_export_them(tmp_path, mark, start, end):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "d.jpg").write_bytes(b"x")
    rows = [
        ("path", '"label"', "group"), ("a.jpg", "rose", "1"), ("in\\d.jpg", "lily", ""),
        (f"{tmp_path}/b.jpg", '"a, b; c"', "2"),
    ]  # fmt: skip
    text = start + "".join(mark.join(row) + end for row in rows)
    write(tmp_path, "")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    entries = [*source(tmp_path / "t.csv").entries()]
    assert [(one.path, one.class_name, one.group, one.problem) for one in entries] == [
        ("a.jpg", "rose", "1", None),
        ("in/d.jpg", "lily", None, None),
        ("b.jpg", "a, b; c", "2", None),
    ]


def test_a_backslash_in_a_name_stays(tmp_path):
    file = write(tmp_path, "path,label\nx\\y.jpg,rose\n", files=("x\\y.jpg",))
    (entry,) = source(file).entries()
    assert (entry.path, entry.problem) == ("x\\y.jpg", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\na.jpg,x\n", "lacks the column path, label.*got file,class"),
        ("path,label,label\na.jpg,x,y\n", "has the column label twice"),
        ("path,label\na.jpg,x,y\n", "cannot be read.*Expected 2 columns, got 3"),
        ("", "cannot be read.*Empty CSV file"),
        ("path,label\n", "the table has no label"),
        ("path,label\na.jpg,\n", "the table has no label"),
        ('path,label\n"",x\n', "no row to use.*expected a path"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(DatasetError, match=message) as caught:
        source(write(tmp_path, text)).prepare()
    assert str(tmp_path / "t.csv") in str(caught.value)
    assert "remedy: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_table_at_all(tmp_path):
    with pytest.raises(DatasetError, match="got no such file"):
        source(tmp_path / "none.csv").prepare()
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DatasetError, match="got not a regular file"):
        source(tmp_path / "pipe.csv").prepare()
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no parquet")
    with pytest.raises(DatasetError, match="the table cannot be read.*t.parquet"):
        source(tmp_path / "t.parquet").prepare()
    (tmp_path / "t.csv").write_bytes(b"path,label\na,\xff\n")
    with pytest.raises(DatasetError, match="invalid UTF8"):
        source(tmp_path / "t.csv").prepare()


def test_rows_are_read_in_batches(tmp_path, monkeypatch):
    rows = 10_000
    pq.write_table(
        pa.table({"path": [f"{n}.jpg" for n in range(rows)], "label": ["x"] * rows}),
        tmp_path / "t.parquet",
    )
    taken = []
    batches = table_module._batches
    monkeypatch.setattr(
        table_module,
        "_batches",
        lambda *args: (taken.append(b.num_rows) or b for b in batches(*args)),
    )
    entries = source(tmp_path / "t.parquet").entries()
    next(entries)
    assert sum(taken) < rows
    assert sum(1 for _ in entries) == rows - 1


def test_a_newline_may_fall_between_two_blocks(tmp_path):
    # Arrow cuts a CSV into blocks of 1 MiB at newlines, quoted or not unless told.
    rows = 40_000
    name = "first half\n" * 3 + "second half"
    (tmp_path / "t.csv").write_text("path,label\n" + f'"{name}",x\n' * rows)
    found = list(table_module.read_rows(tmp_path / "t.csv"))
    assert len(found) == rows
    assert {row[0] for row in found} == {name}
