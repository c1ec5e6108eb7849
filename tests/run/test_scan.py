from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from xai_audit.run import files as module
from xai_audit.run.files import rows_of, scan

SCHEMA = pa.schema([("n", pa.int64()), ("x", pa.float32())])


@pytest.fixture
def files(tmp_path):
    """Ten files of three rows."""
    paths = [tmp_path / f"part-{number}.parquet" for number in range(10)]
    for number, path in enumerate(paths):
        rows = range(3 * number, 3 * number + 3)
        pq.write_table(pa.table({"n": [*rows]}), path)
    return paths


@pytest.mark.parametrize(("most", "count"), [(1, 30), (4, 10), (7, 5), (100, 1)])
def test_small_files_are_put_together_up_to_the_bound(files, monkeypatch, most, count):
    monkeypatch.setattr(module, "_BATCH_ROWS", most)
    frames = [*scan(files, SCHEMA, ["n"])]
    assert pd.concat(frames)["n"].tolist() == [*range(30)]
    assert all(0 < len(frame) <= most for frame in frames)
    assert len(frames) == count


def test_rows_and_columns_are_chosen_and_an_absent_column_is_null(files):
    (frame,) = scan(files, SCHEMA, ["x", "n"], ds.field("n") > 27)
    assert frame["n"].tolist() == [28, 29]
    assert frame["x"].isna().all()
    assert [*scan(files, SCHEMA, ["n"], ds.field("n") > 99)] == []
    assert [*scan([], SCHEMA, ["n"])] == []


def test_rows_have_none_for_every_null():
    frame = pd.DataFrame({"a": [1.5, float("nan")], "b": ["x", None], "c": [[1], [2]]})
    assert rows_of(frame) == [{"a": 1.5, "b": "x", "c": [1]}, {"a": None, "b": None, "c": [2]}]
