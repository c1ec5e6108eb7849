"""The stages that compare methods and classes, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests import tiny
from xai_audit.run.paths import RunPaths
from xai_audit.schema import AGREEMENT, AGREEMENT_IMAGES, BOUNDARIES

pytestmark = pytest.mark.xdist_group("between")  # they share a run

METHODS = "methods=[gradcam,saliency]"
STAGES = "stages=[index,attribute,score,agreement,boundary]"


@pytest.fixture(scope="module")
def audited(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("between") / "run"
    given = tiny.overrides(folder, output, METHODS, STAGES)
    return RunPaths(output), given, tiny.audit(given)


def test_the_tables(audited):
    paths, _, done = audited
    assert done.returncode == 0, done.stderr
    for file, schema in (
        (paths.agreement, AGREEMENT),
        (paths.boundaries, BOUNDARIES),
        (paths.part(paths.agreement_images, 0), AGREEMENT_IMAGES),
    ):
        assert pq.read_schema(file).equals(schema, check_metadata=False)
    agreement = pd.read_parquet(paths.agreement)
    assert {*agreement.class_name} == {"", *tiny.CLASSES}
    assert {*agreement.target_kind} == {"label", "contrast"}
    assert {*zip(agreement.method, agreement.other_method, strict=True)} == {
        ("gradcam", "saliency")
    }
    images = pd.read_parquet(paths.agreement_images)
    assert len(images) == 2 * 18
    everything = agreement[agreement.class_name == ""].set_index("target_kind")
    assert (everything.n_images + everything.n_undefined == 18).all()
    boundaries = pd.read_parquet(paths.boundaries)
    scores = pd.read_parquet(paths.scores)
    one = scores[(scores.method == "gradcam") & (scores.target_kind == "contrast")]
    assert boundaries[boundaries.method == "gradcam"].n_images.sum() == len(one)
    wrong = (one.pred != one.label).sum()
    assert boundaries[boundaries.method == "gradcam"].n_confused.sum() == wrong


def test_again_does_nothing_and_another_setting_only_its_own(audited):
    paths, given, _ = audited
    assert tiny.audit(given).returncode == 0

    def stamps() -> dict:
        tables = {*paths.root.rglob("*.parquet")}
        return {file: file.stat().st_mtime_ns for file in tables}

    files = stamps()
    assert tiny.audit(given).returncode == 0
    assert files == stamps()
    done = tiny.audit([*given, "agreement.images=2", "boundary.pairs=1"])
    assert done.returncode == 0, done.stderr
    changed = {f for f, before in files.items() if f.stat().st_mtime_ns != before}
    parts = paths.parts(paths.agreement_images)
    pair = paths.part(paths.root / "boundary", 0)
    assert changed == {paths.agreement, paths.boundaries, pair, *parts}
    assert pd.read_parquet(paths.agreement_images).image_id.nunique() == 6
    assert len(pd.read_parquet(paths.boundaries)) == 4
    assert json.loads(paths.run_json.read_text())["fingerprints"]["boundary"]


def test_a_part_that_is_lost_is_made_anew_and_alone(audited):
    paths, given, _ = audited
    assert tiny.audit(given).returncode == 0
    whole = pd.read_parquet(paths.agreement_images)
    first, second, *_ = paths.parts(paths.agreement_images)
    before = first.stat().st_mtime_ns
    second.write_bytes(second.read_bytes()[:50])
    assert tiny.audit(given).returncode == 0
    assert first.stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(pd.read_parquet(paths.agreement_images), whole)


def test_neither_loads_torch(audited, folder):
    paths, _, _ = audited
    given = tiny.overrides(folder, paths.root, METHODS, "stages=[agreement,boundary]")
    code = (
        f"import sys\nsys.argv = ['xai_audit', *{[*given, 'agreement.images=3']!r}]\n"
        "from xai_audit.cli import main\ncode = main()\n"
        "sys.exit(99 if 'torch' in sys.modules else code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tiny.REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_one_method_without_margins_has_empty_tables(folder, tmp_path):
    out = RunPaths(tmp_path / "run")
    done = tiny.audit(tiny.overrides(folder, out.root, STAGES, "targets=[label]", "limit=6"))
    assert done.returncode == 0, done.stderr
    assert pd.read_parquet(out.agreement).empty
    assert pd.read_parquet(out.boundaries).empty
    assert not out.agreement_images.exists()


@pytest.mark.parametrize("key", ["agreement.images", "boundary.pairs"])
def test_none_at_all_is_refused(folder, tmp_path, key):
    done = tiny.audit(tiny.overrides(folder, tmp_path / "run", f"{key}=0"))
    assert done.returncode == 2
    assert key in done.stderr
