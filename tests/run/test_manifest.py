from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from xai_audit.run import manifest
from xai_audit.run.files import write_table
from xai_audit.schema import MANIFEST


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    given = [
        {
            **{"image_id": f"c{n % 3}/{n}.jpg", "class_name": f"c{n % 3}", "status": "ok"},
            **{"selected": bool(rng.random() < 0.7), "file_bytes": int(rng.integers(9))},
            **{"label": None if n % 5 == 0 else n % 3, "error": "old" if n == 4 else None},
        }
        for n in range(23)
    ]
    pieces = [pa.Table.from_pylist(given[:9], MANIFEST), pa.Table.from_pylist(given[9:], MANIFEST)]
    return pa.concat_tables(pieces)


@pytest.mark.parametrize("at_a_time", [1, 4, 23, 100])
def test_the_hash_of_rows_is_that_of_whole_columns(rows, monkeypatch, at_a_time):
    monkeypatch.setattr(manifest, "_HASHED_ROWS", at_a_time)
    names = ("image_id", "class_name", "label", "file_bytes", "mtime_ns")
    digest = hashlib.sha256()
    chosen = rows.filter(rows.column("selected"))
    for name in names:
        digest.update("\x00".join(map(str, chosen.column(name).to_pylist())).encode())
    assert manifest.content_fingerprint(rows) == digest.hexdigest()[:16]
    assert manifest.rows_hash(rows.slice(0, 0), names) == hashlib.sha256().hexdigest()[:16]


def test_statuses_replace_those_of_their_photos_alone(rows, tmp_path):
    file = tmp_path / "statuses.parquet"
    found = {"c1/4.jpg": ("unreadable", None), "c0/21.jpg": ("too_large", "much")}
    assert manifest.with_statuses(rows, file) is rows
    write_table(file, manifest.statuses_table({}))
    assert manifest.with_statuses(rows, file) is rows
    write_table(file, manifest.statuses_table(found | {"gone.jpg": ("empty", "no bytes")}))
    expected = [
        row
        | dict(
            zip(
                ("status", "error"),
                found.get(row["image_id"], (row["status"], row["error"])),
                strict=True,
            )
        )
        for row in rows.to_pylist()
    ]
    after = manifest.with_statuses(rows, file)
    assert after.to_pylist() == expected
    assert after.schema == MANIFEST
