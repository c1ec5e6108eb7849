from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from xai_audit.evidence import content
from xai_audit.run.manifest import content_fingerprint
from xai_audit.schema import MANIFEST

REGIONS = [{"class_name": "c1", "cue": "cluster_1"}, {"class_name": "c0", "cue": "cluster_1"}]


@pytest.fixture
def rows():
    given = [
        {"image_id": f"{n:02d}.jpg", "class_name": f"c{n % 2}", "status": "ok", "selected": True}
        | {"file_bytes": n, "label": n % 2}
        for n in range(20)
    ]
    return pa.Table.from_pylist(given, MANIFEST)


@pytest.mark.parametrize("ids", [{"03.jpg", "17.jpg", "00.jpg"}, {"03.jpg", "gone.jpg"}, set()])
def test_content_is_that_of_looking_through_the_whole_manifest(rows, monkeypatch, ids):
    read = []
    monkeypatch.setattr(content, "clusters", lambda audit: read.append(audit) or REGIONS)
    marks = SimpleNamespace(
        usable=lambda: rows, mask_mark=lambda some: some.column("image_id").to_pylist()
    )
    surveyed = [f"{n:02d}.jpg" for n in range(0, 20) if n != 5]
    found = content.Content(marks, surveyed)
    mine = rows.filter(
        pc.is_in(rows.column("image_id"), value_set=pa.array(sorted(ids), pa.string()))
    )
    expected = [content_fingerprint(mine), mine.column("image_id").to_pylist()]
    assert found.of(ids, "c0") == [*expected, [REGIONS[1]]]
    assert found.of(ids, "c2") == [*expected, []]
    assert len(read) == 1
