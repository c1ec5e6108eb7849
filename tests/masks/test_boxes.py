"""Box tables; the raster itself is tested against a supersampled one in test_coverage."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pandas as pd
import pytest

from xai_audit.errors import ConfigError, MaskProblem
from xai_audit.masks.boxes import BoxMasks

HEADER = "path,x_min,y_min,x_max,y_max\n"


@pytest.fixture
def table(tmp_path):
    """Build the source of a CSV with these rows."""

    def make(rows, header=HEADER, encoding="utf-8"):
        path = tmp_path / "boxes.csv"
        path.write_text(header + rows, encoding=encoding)
        return BoxMasks(file=str(path))

    return make


def problem(source, image):
    with pytest.raises(MaskProblem) as caught:
        source.load(image)
    return caught.value.status, caught.value.message


def test_rows_of_one_image_are_joined_and_others_left_alone(table, photo):
    source = table("rose/a.jpg,0,0,2,1\nrose/b.jpg,5,3,6,4\nrose/a.jpg,3.5,1,4,4\n")
    expected = np.zeros((4, 6), dtype=np.uint8)
    expected[0, :2] = 255
    expected[1:, 3] = 128
    np.testing.assert_array_equal(source.load(photo()), [expected, 255 - expected])
    other = source.load(photo("rose/b.jpg"))[0]
    assert np.argwhere(other).tolist() == [[3, 5]]
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.load(photo())[0], expected)


def test_parquet_is_the_same_table(tmp_path, table, photo):
    source = table("rose/a.jpg,0,0,2,1\nrose/a.jpg,3.5,1,4,4\n")
    path = tmp_path / "boxes.parquet"
    pd.read_csv(tmp_path / "boxes.csv").assign(more=1).to_parquet(path)
    np.testing.assert_array_equal(BoxMasks(file=str(path)).load(photo()), source.load(photo()))


@pytest.mark.parametrize(
    "name", ["NA/null.jpg", "NA", "007", "a b,c.jpg", "ärger/é.jpg", "rose/a.jpg"]
)
def test_odd_names_stay_what_they_are(table, photo, name):
    source = table(f'"{name}",0,0,2,1\n', encoding="utf-8-sig")
    assert source.load(photo(name))[0].any()


def test_leading_dot_is_no_part_of_a_name(table, photo):
    assert table("./rose/a.jpg,0,0,2,1\n").load(photo())[0].any()


def test_windows_paths(table, photo):
    assert table("rose\\a.jpg,0,0,2,1\n").load(photo())[0].any()


def test_boxes_are_clipped_to_the_photo(table, photo):
    covered = table("rose/a.jpg,-5,-5,1,99\n").load(photo())[0]
    assert np.argwhere(covered).tolist() == [[0, 0], [1, 0], [2, 0], [3, 0]]
    assert problem(table("rose/a.jpg,6,0,9,4\n"), photo())[0] == "empty"


@pytest.mark.parametrize("box", ["2,0,2,1", "3,0,2,1", "0,0,,1", "0,0,wide,1", "0,0,inf,1"])
def test_bad_box_is_its_own_images_problem(table, photo, box):
    source = table(f"rose/a.jpg,0,0,1,1\nrose/a.jpg,{box}\nrose/b.jpg,0,0,1,1\n")
    found, message = problem(source, photo())
    assert found == "corrupt"
    assert "expected finite x_min < x_max" in message
    assert source.load(photo("rose/b.jpg"))[0, 0, 0] == 255


def test_missing_says_how_the_tables_paths_look(table, photo):
    found, message = problem(table("a.jpg,0,0,1,1\n"), photo())
    assert found == "missing"
    assert message.endswith("has no row for rose/a.jpg; its paths look like a.jpg")
    assert problem(table(""), photo())[1].endswith("it has no rows")


def test_missing_column_names_those_found(table):
    with pytest.raises(ConfigError) as caught:
        table("a.jpg,1,2,3,4\n", header="file,x_min,y_min,x_max,y_max\n")
    text = str(caught.value)
    assert "expected path, x_min, y_min, x_max, y_max" in text
    assert "got columns file, x_min, y_min, x_max, y_max" in text


def test_rows_without_a_path_are_counted_in_the_log(table, photo, caplog):
    source = table(",0,0,1,1\nrose/a.jpg,0,0,1,1\n")
    assert "1 rows of" in caplog.text
    assert source.load(photo())[0].any()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.csv", b""),
        ("b.csv", b"\xff\xfe\x00\x01"),
        ("b.csv", HEADER.encode() + b"a,b.jpg,0,0,1,1\n"),
        ("b.csv", HEADER.encode() + b"a.jpg,0,0,1,1\na,b.jpg,0,0,1,1\n"),
        ("b.parquet", b"hello"),
    ],
)
def test_unreadable_table_is_a_config_error(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot read the table of boxes: masks\.file="):
        BoxMasks(file=str(path))


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"no such annotation file.*got a folder"):
        BoxMasks(file=str(tmp_path))


def test_fingerprint_changes_with_the_file(tmp_path, table):
    source = table("rose/a.jpg,0,0,1,1\n")
    path = tmp_path / "boxes.csv"
    assert BoxMasks(file=str(path)).fingerprint() == source.fingerprint()
    os.utime(path, ns=(0, 1))
    assert BoxMasks(file=str(path)).fingerprint() != source.fingerprint()
