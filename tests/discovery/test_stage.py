from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from tests import tiny
from xai_audit.run.files import read_notes
from xai_audit.run.paths import RunPaths
from xai_audit.schema import CLUSTERS

pytestmark = pytest.mark.xdist_group("discovery")  # they share a run

STAGES = "stages=[index,attribute,score,discover]"


@pytest.fixture(scope="module")
def audited(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("discover") / "run"
    given = tiny.overrides(folder, output, STAGES, "discover.min_images=4")
    return RunPaths(output), given, tiny.audit(given)


def test_the_stage_writes_clusters_and_skips_when_current(audited):
    paths, given, done = audited
    assert done.returncode == 0, done.stderr
    table = pq.read_table(paths.clusters)
    assert table.schema.equals(CLUSTERS)
    named = set(table.column("class_name").to_pylist())
    assert named
    assert named <= set(tiny.CLASSES)
    assert {"classes", "too_few", "left_out"} <= set(read_notes(paths.clusters))
    before = paths.clusters.stat().st_mtime_ns
    assert tiny.audit(given).returncode == 0
    assert paths.clusters.stat().st_mtime_ns == before
    assert json.loads(paths.run_json.read_text())["fingerprints"]["discover"]


def test_another_setting_clusters_anew(audited):
    paths, given, _ = audited
    before = paths.clusters.stat().st_mtime_ns
    assert tiny.audit([*given, "discover.min_images=1000"]).returncode == 0
    assert paths.clusters.stat().st_mtime_ns != before
    assert pq.read_table(paths.clusters).num_rows == 0
    assert read_notes(paths.clusters)["classes"] == "0"
