"""Class names that look the same are different classes, which is said."""

from __future__ import annotations

import os
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import tiny
from tests.data.photo_files import save
from xai_audit.index.listing import look_alikes
from xai_audit.index.rows import probe_all
from xai_audit.run.files import write_table
from xai_audit.run.manifest import record_of
from xai_audit.schema import MANIFEST
from xai_audit.types import Entry

COMPOSED = "caf\u00e9"
SPLIT = unicodedata.normalize("NFD", COMPOSED)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([COMPOSED, "rose", SPLIT], ["'caf\\xe9' and 'cafe\\u0301'"]),
        ([COMPOSED, "rose"], []),
        ([SPLIT, "cafe"], []),
        # Compatibility forms look different.
        (["\ufb01g", "fig"], []),
    ],
)
def test_only_forms_of_one_name_look_alike(names, found):
    assert look_alikes(names) == found


def test_it_is_logged_once(tmp_path):
    for name in (COMPOSED, SPLIT, "rose"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        save(tmp_path / "photos" / name / "1.png")
    if len(list((tmp_path / "photos").iterdir())) < 3:
        pytest.skip("this file system takes both forms for one name")
    command = ["dataset=imagefolder", f"dataset.root={tmp_path / 'photos'}", "stages=[index]"]
    result = tiny.audit([*command, f"output_dir={tmp_path / 'out'}"])
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("class names that look the same") == 1
    assert "'caf\\xe9' and 'cafe\\u0301'" in result.stderr or (
        "'cafe\\u0301' and 'caf\\xe9'" in result.stderr
    )


# A path below the root as the file system may have it: any bytes but NUL and, in a part, the slash.
PATHS = st.binary(min_size=1, max_size=60).map(lambda raw: raw.replace(b"\0", b"_").strip(b"/"))
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).map(lambda text: os.fsencode(text))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists((PATHS | TEXTS).filter(lambda raw: raw.strip(b"/.")), min_size=1, max_size=6))
@example(
    [b"\xff.jpg", rb"\xff.jpg", b"\xed\xa0\x80", "caf\u00e9".encode(), b"a\nb", b" ", b"-", b"#1"]
)
def test_any_name_comes_back_from_the_manifest(tmp_path, raw):
    """Written and read, a row leads to the file that it is of; its id is text and no other's."""
    paths = [os.fsdecode(each) for each in dict.fromkeys(raw)]
    entries = [Entry(path, "x", problem=("unreadable", path)) for path in paths]
    rows = [*probe_all(entries, tmp_path, max_pixels=9, threads=1)]
    full = [row | {"label": None, "selected": False} for row in rows]
    write_table(tmp_path / "m.parquet", pa.Table.from_pylist(full, schema=MANIFEST))
    back = pq.read_table(tmp_path / "m.parquet")
    assert back.column("image_id").to_pylist() == [row["image_id"] for row in rows]
    assert len({*back.column("image_id").to_pylist()}) == len(paths)
    for index, path in enumerate(paths):
        found = record_of(back, index, tmp_path)
        assert found.path == str(tmp_path / path)
