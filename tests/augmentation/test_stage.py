"""The stage in a run: its rows, what makes them again, and what leaves them out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests import tiny
from xai_audit.config.nodes import AUGMENTATIONS
from xai_audit.run.reader import Run

pytestmark = pytest.mark.xdist_group("augmentation")  # they share a run
STAGES = "stages=[index,attribute,score,augmentation]"
FEW = (STAGES, "augmentation.images=12", "augmentation.names=[rotate:30,flip,crop]")


@pytest.fixture(scope="module")
def changed(folder, finished, tmp_path_factory) -> Path:
    """A finished run, and then with this stage."""
    out = tmp_path_factory.mktemp("augmentation") / "out"
    shutil.copytree(finished, out)
    done = tiny.audit(tiny.overrides(folder, out, *FEW))
    assert done.returncode == 0, done.stderr
    return out


def times(out: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in (out / "augmentation").glob("part-*")}


def test_a_row_an_image_and_augmentation(changed):
    run = Run(changed)
    found = run.augmentation
    assert len(found) == 12 * 3
    asked = [("rotate", 30.0), ("flip", 1.0), ("crop", 0.2)]
    assert [*zip(found.augmentation[:3], found.strength[:3], strict=True)] == asked
    assert found.drop_duplicates("image_id").groupby("class_name").size().eq(4).all()
    assert {*found.status} == {"ok"}
    assert {*found.target_kind} == {"contrast"}
    # As it is, a photo is decided and looked at as everywhere else in the run.
    scores = run.scores[run.scores.target_kind == "contrast"].set_index("image_id")
    flips = found[found.augmentation == "flip"].set_index("image_id")
    assert (flips.pred == scores.pred[flips.index]).all()
    known = flips[flips.map_status == "ok"]
    assert len(known) > 6
    for column in ("confidence", "mass_object", "mass_border"):
        pd.testing.assert_series_equal(
            known[column], scores[column][known.index], atol=2e-3, check_dtype=False
        )
    assert json.loads((changed / "run.json").read_text())["augmentation"]["forwards"] == 12 * 5
    assert len(times(changed)) == 2


def test_only_what_is_missing_is_made(changed, folder, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(changed, out)
    before, table = times(out), pd.read_parquet(out / "augmentation.parquet")
    (out / "augmentation" / "part-00001.parquet").unlink()
    (out / "augmentation.parquet").unlink()
    again = (*FEW, "compute.batch_size=3")
    assert tiny.audit(tiny.overrides(folder, out, *again)).returncode == 0
    kept = {name for name, time in times(out).items() if before[name] == time}
    assert kept == {"part-00000.parquet"}
    redone = pd.read_parquet(out / "augmentation.parquet")
    pd.testing.assert_frame_equal(redone, table, rtol=1e-4, atol=1e-5)
    words = tiny.overrides(folder, out, *FEW, "augmentation.names=[flip,blur:1]")
    assert tiny.audit(words).returncode == 0
    assert {*times(out).values()}.isdisjoint(before.values())


def test_0_images_are_none_and_the_default_is_few(finished):
    assert Run(finished).augmentation.empty
    assert not times(finished)


def test_it_is_on_by_default_with_all_of_them():
    from xai_audit.config.nodes import AugmentationConfig

    assert AugmentationConfig().images == 32
    assert tuple(AugmentationConfig().names) == AUGMENTATIONS


def test_a_method_of_many_forwards_makes_no_maps(folder, tmp_path):
    out = tmp_path / "out"
    more = ("methods=[rise]", "method_args.rise.samples=11", "limit=3", "augmentation.images=3")
    done = tiny.audit(tiny.overrides(folder, out, *more, STAGES))
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(out / "augmentation.parquet")
    assert {*found.map_status} == {"method=many_forwards"}
    assert found.changed.notna().all()
    assert json.loads((out / "run.json").read_text())["augmentation"]["forwards"] == 3 * 7


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("augmentation.images=-1", "augmentation.images | expected 0 to"),
        ("augmentation.names=[spin]", "augmentation.names | expected one of flip, crop, rotate"),
        ("augmentation.names=[crop:1.5]", "crop:SHARE"),
    ],
)
def test_bad_values_are_refused(folder, tmp_path, given, told):
    done = tiny.audit(tiny.overrides(folder, tmp_path / "out", given))
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
