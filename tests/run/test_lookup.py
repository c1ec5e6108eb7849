from __future__ import annotations

import os

import pyarrow as pa
import pytest

from xai_audit.errors import OutputError
from xai_audit.run.files import write_table
from xai_audit.run.lookup import files_with, of_images


@pytest.fixture
def files(tmp_path):
    found = []
    for number, ids in enumerate((["a", "c"], ["d", "é"], [], ["b", "z"])):
        found.append(tmp_path / f"part-{number}.parquet")
        write_table(
            found[-1],
            pa.table({"n": pa.array(range(len(ids))), "image_id": pa.array(ids, pa.string())}),
        )
    return found


@pytest.mark.parametrize(
    ("ids", "expected"),
    [(["a"], [0]), (["b"], [0, 3]), (["d", "y"], [1, 3]), (["é"], [1]), (["0"], []), ([], [])],
)
def test_only_files_whose_ids_span_one_are_opened(files, ids, expected):
    empty = 2  # unknown, so that it is opened
    assert [
        files.index(file) for file in files_with(files, ids) if file != files[empty]
    ] == expected


def test_a_file_that_has_changed_is_looked_into_again(files):
    assert files_with(files[:1], ["m"]) == []
    write_table(files[0], pa.table({"image_id": ["l", "n", "o"]}))
    assert files_with(files[:1], ["m"]) == files[:1]


def test_a_row_is_never_missed(files):
    ids = sorted({"a", "b", "c", "d", "é", "z"})
    for one in ids:
        rows = [pa.parquet.read_table(file).filter(of_images([one])) for file in files]
        holding = [file for file, table in zip(files, rows, strict=True) if table.num_rows]
        assert {*holding} <= {*files_with(files, [one])}


def test_a_broken_file_is_one_line(files):
    os.truncate(files[1], 7)
    with pytest.raises(OutputError, match="a table of this run cannot be read"):
        files_with(files, ["a"])
