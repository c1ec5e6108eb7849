from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests import tiny
from xai_audit.schema import ADVERSARIAL, ATTACKS

pytestmark = pytest.mark.xdist_group("adversarial")  # they share a run

# Without evidence, which takes longest and is not read.
STAGES = "stages=[index,attribute,score,adversarial,flag,report]"
MANY = ("adversarial.images=18", STAGES)


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    result = tiny.audit(tiny.overrides(folder, out, *MANY))
    assert result.returncode == 0, result.stderr
    return out


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


def table(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "adversarial.parquet")


def stamps(out: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in (out / "adversarial").glob("part-*")}


def same(left: Path, right: Path) -> None:
    # Cells of the map are float16; what it is made of is compared.
    one, other = (table(out).drop(columns="change_map") for out in (left, right))
    pd.testing.assert_frame_equal(one, other, rtol=1e-2, atol=1e-3)


def test_a_row_an_image_and_attack(finished):
    found = table(finished)
    assert pq.read_schema(finished / "adversarial.parquet").names == ADVERSARIAL.names
    assert len(found) == 18 * 3
    assert list(found.attack) == [*ATTACKS] * 18
    assert set(found.status) <= {"ok", "not_flipped"}
    flipped = found[found.status == "ok"]
    assert len(flipped) > 30
    assert (flipped.flipped_to != flipped.pred).all()
    assert flipped.epsilon[flipped.attack != "pgd_l2"].between(0, 8.0001).all()
    assert flipped.rms.between(0, 8.0001).all()
    np.testing.assert_allclose(
        flipped.energy_object + flipped.energy_background, 1, atol=0.01
    )  # the masks leave no void
    np.testing.assert_allclose(
        flipped.lift_border, flipped.energy_border / flipped.area_border, rtol=1e-4
    )
    scores = pd.read_parquet(finished / "scores")
    pred = scores.drop_duplicates("image_id").set_index("image_id").pred
    once = found[found.attack == "pgd"].set_index("image_id")
    assert (once.pred == pred[once.index]).all()
    area = scores.drop_duplicates("image_id").set_index("image_id").area_object
    np.testing.assert_allclose(once.area_object, area[once.index], atol=1e-5)
    run = json.loads((finished / "run.json").read_text())
    assert run["adversarial"]["forwards"] > 18 * 20
    assert run["timings"]["adversarial_seconds"] > 0
    assert len(stamps(finished)) == 3


def test_the_report_tells_it(finished):
    page = (finished / "report" / "index.html").read_text(encoding="utf-8")
    assert '<a href="#adversarial">' in page
    assert 'id="adversarial"' in page
    assert "of the 18 decisions attacked" in page
    assert len(list((finished / "report" / "gallery" / "adversarial").glob("*.jpg"))) == 8


@pytest.mark.parametrize("more", [("compute.batch_size=1",), ("compute.num_workers=2",)])
def test_rows_do_not_depend_on_batches_and_workers(finished, folder, tmp_path, more):
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out", *MANY, *more))
    assert result.returncode == 0, result.stderr
    same(finished, tmp_path / "out")


def test_again_does_nothing_and_another_report_too(copied, folder):
    before = (copied / "adversarial.parquet").stat().st_mtime_ns, stamps(copied)
    for more in ((), ("report.tile=100",), ("flags.z=2",)):
        assert tiny.audit(tiny.overrides(folder, copied, *MANY, *more)).returncode == 0
        assert before == ((copied / "adversarial.parquet").stat().st_mtime_ns, stamps(copied))


@pytest.mark.parametrize(
    "more", ["adversarial.steps=4", "adversarial.max_epsilon=2", "regions.border=0.2", "seed=3"]
)
def test_a_setting_attacks_again(copied, folder, more):
    before = stamps(copied)
    result = tiny.audit(tiny.overrides(folder, copied, *MANY, more))
    assert result.returncode == 0, result.stderr
    assert set(stamps(copied).values()).isdisjoint(before.values())
    if more.startswith("adversarial.max"):
        assert table(copied).rms.max() <= 2.001


def test_a_missing_part_alone_is_attacked_again(copied, finished, folder):
    before = stamps(copied)
    (copied / "adversarial" / "part-00001.parquet").unlink()
    (copied / "adversarial.parquet").unlink()
    assert tiny.audit(tiny.overrides(folder, copied, *MANY)).returncode == 0
    after = stamps(copied)
    assert [name for name in after if after[name] != before[name]] == ["part-00001.parquet"]
    same(copied, finished)


def test_fewer_images_are_a_stratified_sample_and_0_none(copied, finished, folder):
    run = tiny.overrides(folder, copied, STAGES, "adversarial.images=6")
    assert tiny.audit(run).returncode == 0
    some = table(copied)
    assert some.drop_duplicates("image_id").groupby("class_name").size().eq(2).all()
    assert len(stamps(copied)) == 1
    whole = table(finished)
    wanted = whole[whole.image_id.isin(some.image_id)].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        some.drop(columns="change_map"), wanted.drop(columns="change_map"), rtol=1e-2, atol=1e-3
    )
    run = tiny.overrides(folder, copied, STAGES, "adversarial.images=0")
    assert tiny.audit(run).returncode == 0
    assert table(copied).empty
    assert not stamps(copied)
    page = (copied / "report" / "index.html").read_text(encoding="utf-8")
    assert "adversarial.html" not in page
    assert 'id="adversarial"' not in page


def test_it_is_on_by_default_and_part_of_success(folder, tmp_path):
    from xai_audit.config.nodes import STAGES as ALL
    from xai_audit.config.nodes import AdversarialConfig

    assert ALL.index("evidence") < ALL.index("adversarial") < ALL.index("flag")
    assert AdversarialConfig().images == 16
    out = tmp_path / "out"
    assert (
        tiny.audit(tiny.overrides(folder, out, tiny.WHOLE, "adversarial.images=3")).returncode == 0
    )
    assert (out / "SUCCESS").is_file()
    assert len(table(out)) == 9


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("adversarial.images=-1", "adversarial.images | expected 0 to"),
        ("adversarial.steps=0", "adversarial.steps | expected >= 1"),
        ("adversarial.max_epsilon=0", "adversarial.max_epsilon | expected 0.1 to 255"),
        ("adversarial.max_epsilon=nan", "adversarial.max_epsilon"),
    ],
)
def test_bad_values_are_refused(folder, tmp_path, given, told):
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out", given))
    assert result.returncode == 2
    assert told in result.stderr


def test_without_masks(folder, tmp_path):
    out = tmp_path / "out"
    given = ("masks=none", "adversarial.images=3", STAGES)
    arguments = [a for a in tiny.overrides(folder, out, *given) if not a.startswith("masks.root")]
    result = tiny.audit(arguments)
    assert result.returncode == 0, result.stderr
    found = table(out)
    assert found.energy_object.isna().all()
    assert found.energy_border.notna().any()
    assert found.region_status.str.contains("mask=none").all()


def test_a_model_without_gradient_by_its_input_is_told_and_the_audit_goes_on(folder, tmp_path):
    out = tmp_path / "out"
    given = ("model.factory=tests.adversarial.photos:detached", "method=eigencam")
    result = tiny.audit(tiny.overrides(folder, out, *given, "adversarial.images=3", STAGES))
    assert result.returncode == 0, result.stderr
    assert set(table(out).status) == {"no_gradient"}
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "No decision could be attacked." in page
    assert "For 3 the gradient is zero" in page


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_it_goes_on_where_it_was(finished, folder, tmp_path, number):
    out = tmp_path / "out"
    given = [*MANY, "model.factory=tests.adversarial.photos:slow"]
    process = tiny.started(tiny.overrides(folder, out, *given), out, "adversarial", 1)
    time.sleep(0.1)  # into the second part
    process.send_signal(number)
    code = process.wait(timeout=60)
    assert code == (-9 if number == signal.SIGKILL else 143)
    assert not (out / "adversarial.parquet").exists()
    before = stamps(out)
    assert 0 < len(before) < 3
    given = [*MANY, "model.factory=tests.adversarial.photos:slow"]
    assert tiny.audit(tiny.overrides(folder, out, *given)).returncode == 0
    assert before.items() <= stamps(out).items()
    same(out, finished)
