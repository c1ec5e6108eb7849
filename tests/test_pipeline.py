from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from tests import tiny
from xai_audit.config.nodes import STAGES as GROUPS
from xai_audit.pipeline import STAGES
from xai_audit.schema import MANIFEST, REGIONS, SCORES


@pytest.fixture
def again(finished, tmp_path) -> Path:
    """The finished run, to be gone on with."""
    return shutil.copytree(finished, tmp_path / "again")


def table(out: Path, name: str) -> pd.DataFrame:
    frame = pd.read_parquet(out / name)
    return frame.sort_values(["image_id", "method", "target_kind"]).reset_index(drop=True)


def same_scores(left: Path, right: Path, tolerance: float = 1e-6) -> None:
    one, other = table(left, "scores"), table(right, "scores")
    pd.testing.assert_frame_equal(one, other, rtol=1e-4, atol=tolerance)


def test_files_and_columns(finished):
    names = {path.relative_to(finished).as_posix() for path in finished.rglob("*")}
    assert {
        "run.json",
        "manifest.parquet",
        "flags.parquet",
        "SUCCESS",
        "report/index.html",
    } <= names
    assert "attributions/part-00000.parquet" in names
    assert not [name for name in names if name.endswith(".tmp")]
    scores = pd.read_parquet(finished / "scores")
    assert list(scores.columns) == SCORES.names
    assert len(scores) == 18 * 2
    assert scores.groupby("image_id").size().eq(2).all()
    assert set(scores.target_kind) == {"label", "contrast"}
    assert list(pq.read_schema(finished / "manifest.parquet").names) == MANIFEST.names
    run = json.loads((finished / "run.json").read_text())
    assert run["counts"] == {
        "images": 18, "ok": 18, "failed": 0, "skipped": 0, "left_out": 0,
        "oom_retries": 0, "nonfinite_retries": 0,
    }  # fmt: skip
    assert run["images_per_second"] > 0
    assert {"dataset=imagefolder", f"output_dir={finished}"} <= {*run["arguments"]}
    assert datetime.fromisoformat(run["finished"]["score"]).utcoffset() == timedelta(0)
    assert {"attribute_seconds", "attribute_cpu_seconds"} <= set(run["timings"])
    assert run["batch_size"] == {"asked": 32, "used": 32}


@pytest.mark.parametrize("shown", [True, False])
def test_the_command_in_the_record_has_no_token_unless_it_is_to(folder, tmp_path, shown):
    secret = "hf_" + "q" * 20
    more = [f"model.kwargs.token={secret}", f"model.kwargs.url=https://ann:{secret}@host/x"]
    more += ["model.kwargs.password='ab]cd e'", "model.kwargs.tokenizer=bert"]
    more += ["stages=[index]", f"report.redact={not shown}".lower()]
    done = tiny.audit(tiny.overrides(folder, tmp_path / "out", *more))
    assert done.returncode == 0, done.stderr
    noted = json.loads((tmp_path / "out" / "run.json").read_text())["arguments"]
    clean = ["model.kwargs.token=***", "model.kwargs.url=https://***@host/x"]
    clean += ["model.kwargs.password=***", "model.kwargs.tokenizer=bert"]
    assert [each.lstrip("+") for each in noted[-6:-2]] == (more[:4] if shown else clean)
    assert (secret in done.stderr) is False


def test_masses_against_a_slow_float64_version(finished, folder):
    """Decode, resize, crop, upsample and sum again, plainly, from the stored heatmaps."""
    from torchvision.transforms import v2

    scores = table(finished, "scores")
    maps = table(finished, "attributions")
    positive = scores.index[scores.relevance_total > 0]
    assert len(positive) > 20
    for row in positive[::4]:
        image_id = scores.image_id[row]
        stored = np.array(maps.heatmap[row], dtype=np.float64).reshape(
            maps.heatmap_height[row], maps.heatmap_width[row]
        ) * float(maps.heatmap_scale[row])
        mask = Image.open(folder / "masks" / Path(image_id).with_suffix(".png"))
        both = torch.from_numpy(np.array(mask))[None]
        inside = v2.functional.resize(both, [72], antialias=True)
        inside = v2.functional.center_crop(inside, [64, 64]).double()[0] / 255
        up = F.interpolate(torch.from_numpy(stored)[None, None], size=(64, 64), mode="bilinear")[
            0, 0
        ]
        expected = float((up * inside).sum() / up.sum())
        assert scores.mass_object[row] == pytest.approx(expected, abs=1e-5)
        assert scores.area_object[row] == pytest.approx(float(inside.mean()), abs=1e-5)
        assert scores.relevance_total[row] == pytest.approx(float(up.sum()), rel=1e-5)
        assert scores.lift_object[row] == pytest.approx(expected / float(inside.mean()), rel=1e-3)
    assert scores.mass_border.dropna().between(0, 1).all()
    known = scores[scores.score_status == "ok"]
    assert len(known)
    assert known[[f"mass_{region}" for region in REGIONS]].notna().all(axis=None)


@pytest.mark.parametrize(
    "more",
    [
        ("compute.batch_size=1",),
        ("compute.batch_size=7", "compute.num_workers=2"),
        ("compute.batch_size=32", "compute.part_size=11"),
    ],
)
def test_rows_do_not_depend_on_batches_workers_or_parts(finished, folder, tmp_path, more):
    result = tiny.audit(tiny.overrides(folder, tmp_path / "out", *more))
    assert result.returncode == 0, result.stderr
    same_scores(finished, tmp_path / "out", tolerance=1e-4)


def test_again_does_nothing_and_a_threshold_redoes_only_what_hangs_on_it(folder, again, tmp_path):
    out = again
    whole = tiny.overrides(folder, out, tiny.WHOLE)

    def stamps(name: str) -> dict[str, int]:
        return {p.name: p.stat().st_mtime_ns for p in (out / name).glob("*.parquet")}

    maps, scores, flags = (
        stamps("attributions"),
        stamps("scores"),
        (out / "flags.parquet").stat().st_mtime_ns,
    )
    page = (out / "report" / "index.html").stat().st_mtime_ns
    assert tiny.audit(whole).returncode == 0
    assert (maps, scores) == (stamps("attributions"), stamps("scores"))
    assert len(maps) == len(scores) == 4
    assert page == (out / "report" / "index.html").stat().st_mtime_ns
    # Another border width: scored again from the stored heatmaps, not explained again.
    assert tiny.audit([*whole, "regions.border=0.2"]).returncode == 0
    assert maps == stamps("attributions")
    assert set(scores.values()).isdisjoint(stamps("scores").values())
    wide = table(out, "scores")
    assert flags != (out / "flags.parquet").stat().st_mtime_ns
    # Score alone gives what the pass over the photos gives.
    fresh = tmp_path / "fresh"
    assert tiny.audit(tiny.overrides(folder, fresh, "regions.border=0.2")).returncode == 0
    pd.testing.assert_frame_equal(wide, table(fresh, "scores"))
    assert (out / "SUCCESS").is_file()


def test_another_language_makes_the_report_alone_anew(folder, again):
    def stamps() -> dict[str, int]:
        kept = [*again.rglob("*.parquet"), *again.rglob("*.jpg")]
        parts = {"explore"}  # a note a sheet of pictures, each drawn already
        return {
            p.relative_to(again).as_posix(): p.stat().st_mtime_ns
            for p in kept
            if p.relative_to(again).parts[0] not in parts
        }

    index, before = again / "report" / "index.html", stamps()
    whole = tiny.overrides(folder, again, tiny.WHOLE)
    assert tiny.audit([*whole, "report.language=zh"]).returncode == 0
    assert stamps() == before
    assert '<html lang="zh-Hans">' in index.read_text(encoding="utf-8")
    explore = (again / "report" / "explore.html").read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in explore
    assert "所有照片" in explore
    assert "模型判断正确" in (again / "report" / "summary.md").read_text(encoding="utf-8")
    assert tiny.audit(whole).returncode == 0  # and back
    assert '<html lang="en">' in index.read_text(encoding="utf-8")


def test_an_unknown_language_is_told_with_those_that_are_known(folder, tmp_path):
    wrong = tiny.overrides(folder, tmp_path / "out", "report.language=fr")
    done = tiny.audit(wrong)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        "xai_audit: unknown value: report.language | expected one of en, zh | got fr"
    )


def test_a_changed_photo_is_seen(folder, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    out = tmp_path / "out"
    assert tiny.audit(tiny.overrides(root, out)).returncode == 0
    before = table(out, "scores")
    pixels, _ = tiny.photo(np.random.default_rng(9), "square", (96, 96))
    Image.fromarray(pixels).save(root / "images" / "circle" / "0000.jpg")
    os.utime(root / "images" / "circle" / "0000.jpg", ns=(1, 1))
    assert tiny.audit(tiny.overrides(root, out)).returncode == 0
    after = table(out, "scores")
    changed = before.image_id[before.confidence != after.confidence].unique()
    assert list(changed) == ["circle/0000.jpg"]


def test_every_file_is_accounted_for(folder, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    images, masks = root / "images", root / "masks"
    (images / "circle" / "zero.jpg").touch()
    whole = (images / "circle" / "0001.jpg").read_bytes()
    (images / "circle" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "circle" / "notes.txt").write_text("no image")
    os.mkfifo(images / "circle" / "pipe.jpg")
    (images / "square" / "loop").symlink_to(images / "square")
    odd = 'it\'s "odd" é\n.jpg'
    shutil.copy(images / "circle" / "0002.jpg", images / "circle" / odd)
    raw = os.fsencode(images / "circle") + b"/caf\xe9.jpg"
    shutil.copy(images / "circle" / "0002.jpg", raw)
    (masks / "square" / "0000.png").unlink()
    (masks / "square" / "0001.png").write_bytes(b"no png")
    Image.new("L", (5, 5), 255).save(masks / "square" / "0002.png")
    with Image.open(masks / "square" / "0003.png") as mask:
        Image.new("L", mask.size, 0).save(masks / "square" / "0003.png")
    result = tiny.audit(
        tiny.overrides(root, tmp_path / "out", tiny.WHOLE, "max_failed_fraction=0.5")
    )
    assert result.returncode == 0, result.stderr
    manifest = pd.read_parquet(tmp_path / "out" / "manifest.parquet").set_index("image_id")
    assert manifest.index.is_unique
    assert manifest.status["circle/half.jpg"] == "ok"  # its header is; decoding is a later stage
    found = pd.read_parquet(tmp_path / "out" / "statuses.parquet").set_index("image_id")
    assert list(found.index) == ["circle/half.jpg"]
    status = manifest.status.to_dict() | found.status.to_dict()
    assert status["circle/zero.jpg"] == "empty"
    assert status["circle/half.jpg"] == "unreadable"
    assert "truncated" in found.error["circle/half.jpg"]
    assert status["circle/notes.txt"] == status["circle/pipe.jpg"] == "unsupported"
    assert status["square/loop"] == "symlink_loop"
    assert status[f"circle/{odd}"] == status["circle/caf\\xe9.jpg"] == "ok"
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    counts = run["counts"]
    assert counts["images"] == 18 + 7 == len(manifest)
    assert (counts["ok"], counts["failed"], counts["skipped"]) == (20, 2, 3)
    scores = pd.read_parquet(tmp_path / "out" / "scores")
    assert set(scores.image_id) == {name for name, value in status.items() if value == "ok"}
    masks = scores.drop_duplicates("image_id").set_index("image_id").mask_status
    assert masks["square/0000.jpg"] == "missing"
    assert masks["square/0001.jpg"] == "corrupt"
    assert masks["square/0002.jpg"] == "size_mismatch"
    assert masks["square/0003.jpg"] == "empty"
    bare = scores[scores.image_id == "square/0000.jpg"]
    assert bare.mass_object.isna().all()
    assert bare.mass_border.notna().all()
    assert set(bare.score_status) == {"mask=missing"}


def test_too_many_failures_exit_4_with_everything_finished(folder, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    for number in range(3):
        (root / "images" / "circle" / f"bad{number}.jpg").write_bytes(b"\xff\xd8\xff bad")
    stages = "stages=[index,attribute,score,discover,flag,report]"
    result = tiny.audit(tiny.overrides(root, tmp_path / "out", stages))
    assert result.returncode == 4
    assert "expected at most 5.0% | got 14.3%" in result.stderr
    assert (tmp_path / "out" / "report" / "index.html").is_file()


def test_limit_is_stratified_and_nested(folder, tmp_path):
    chosen = []
    for limit in (6, 9):
        out = tmp_path / str(limit)
        assert (
            tiny.audit(tiny.overrides(folder, out, f"limit={limit}", "stages=[index]")).returncode
            == 0
        )
        manifest = pd.read_parquet(out / "manifest.parquet")
        assert len(manifest) == 18
        assert manifest[manifest.selected].groupby("class_name").size().to_dict() == dict.fromkeys(
            tiny.CLASSES, limit // 3
        )
        chosen.append(set(manifest.image_id[manifest.selected]))
    assert chosen[0] < chosen[1]


def test_not_finite_is_null_with_a_reason(folder, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    Image.new("RGB", (96, 96)).save(root / "images" / "circle" / "0000.jpg")
    out = tmp_path / "out"
    more = (tiny.WHOLE, "model.factory=tests.tiny:nan_net", "compute.precision=bf16")
    result = tiny.audit(tiny.overrides(root, out, *more))
    assert result.returncode == 0, result.stderr
    scores = pd.read_parquet(out / "scores").set_index("image_id")
    dark = scores.loc["circle/0000.jpg"]
    assert set(dark.score_status) == {"relevance=not_finite"}
    assert dark.pred.isna().all()  # not class 0
    assert dark.against.isna().all()
    assert (dark.target == dark.label).all()
    assert (
        dark[["mass_border", "mass_object", "entropy", "confidence", "rank_accuracy"]]
        .isna()
        .all(axis=None)
    )
    others = scores.drop("circle/0000.jpg").score_status
    assert set(others) <= {"ok", "relevance=none"}
    assert (others == "ok").sum() > 20
    assert json.loads((out / "run.json").read_text())["counts"]["nonfinite_retries"] == 1


def test_report_loads_no_torch(again, folder):
    more = ("stages=[flag,report]", "report.per_reason=3", "report.self_contained=true")
    code = (
        "import sys\n"
        f"sys.argv = ['xai_audit', *{tiny.overrides(folder, again, *more)!r}]\n"
        "from xai_audit.cli import main\n"
        "code = main()\n"
        "sys.exit(99 if 'torch' in sys.modules else code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tiny.REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    page = (again / "report" / "self_contained.html").read_text(encoding="utf-8")
    assert page.count('<img src="data:image/jpeg;') > 0


def test_score_alone_needs_no_model(folder, tmp_path):
    """Other masks and another border, the checkpoint gone: what a fresh run would have scored."""
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    weights = tmp_path / "net.pt"
    torch.save(tiny.net().state_dict(), weights)
    out, model = tmp_path / "out", f"model.checkpoint={weights}"
    assert tiny.audit(tiny.overrides(root, out, model, tiny.WHOLE)).returncode == 0
    assert (out / "SUCCESS").exists()
    for path in (root / "masks").rglob("*.png"):
        with Image.open(path) as mask:
            flipped = ImageOps.invert(mask)
        flipped.save(path)
    fresh, more = tmp_path / "fresh", (model, "regions.border=0.3")
    assert tiny.audit(tiny.overrides(root, fresh, *more)).returncode == 0
    weights.unlink()
    again = tiny.audit(tiny.overrides(root, out, *more, "stages=[score,flag,report]"))
    assert again.returncode == 0, again.stderr
    pd.testing.assert_frame_equal(table(out, "scores"), table(fresh, "scores"))
    assert (out / "report" / "index.html").is_file()
    assert not (out / "SUCCESS").exists()  # the evidence for this border still needs the model
    assert json.loads((out / "run.json").read_text())["regions"]["border"] == 0.3


def test_masks_of_the_dataset_itself_are_watched(folder, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    photos = sorted((root / "images").rglob("*.jpg"))
    lines = [
        f"{p.relative_to(root)},{p.parent.name},masks/{p.parent.name}/{p.stem}.png" for p in photos
    ]
    (root / "photos.csv").write_text("\n".join(["path,label,mask", *lines]))
    arguments = [
        *("dataset=csv", f"dataset.file={root / 'photos.csv'}", "masks=dataset"),
        *tiny.overrides(root, tmp_path / "out")[4:],
    ]
    assert tiny.audit(arguments).returncode == 0
    before = table(tmp_path / "out", "scores")
    maps = (tmp_path / "out" / "attributions" / "part-00000.parquet").stat().st_mtime_ns
    for path in (root / "masks").rglob("*.png"):
        with Image.open(path) as mask:
            flipped = ImageOps.invert(mask)
        flipped.save(path)
    assert tiny.audit(arguments).returncode == 0
    after = table(tmp_path / "out", "scores")
    assert np.allclose(before.area_object, after.area_background, atol=1e-6)
    assert maps == (tmp_path / "out" / "attributions" / "part-00000.parquet").stat().st_mtime_ns


def test_several_methods_in_one_pass(finished, folder, tmp_path):
    """The second method's rows are its own, the first one's are what they were alone."""
    (tmp_path / "conf" / "method").mkdir(parents=True)
    yaml = (tiny.REPO / "conf" / "method" / "gradcam.yaml").read_text()
    yaml = yaml.replace("name: gradcam", "name: magnitude").replace("positive", "absolute")
    (tmp_path / "conf" / "method" / "magnitude.yaml").write_text(yaml)
    out = tmp_path / "out"
    more = ["--config-dir", str(tmp_path / "conf"), "methods=[magnitude,gradcam]"]
    result = tiny.audit([*tiny.overrides(folder, out), *more])
    assert result.returncode == 0, result.stderr
    scores = table(out, "scores")
    alone = scores[scores.method == "gradcam"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, table(finished, "scores"))
    both = scores.pivot_table(
        index=["image_id", "target_kind"], columns="method", values="relevance_total"
    )
    assert (both.magnitude >= both.gradcam * (1 - 1e-3)).all()
    assert (both.magnitude > both.gradcam * 1.01).any()
    # Scored again from the files, the rows stand in the same order.
    before = pd.read_parquet(out / "scores")
    shutil.rmtree(out / "scores")
    assert tiny.audit([*tiny.overrides(folder, out), *more, "stages=[score]"]).returncode == 0
    pd.testing.assert_frame_equal(before, pd.read_parquet(out / "scores"))


def test_every_empty_cell_has_its_reason(finished):
    scores = pd.read_parquet(finished / "scores")
    full = scores.drop(columns="against").notna().all(axis=1)
    assert (full == (scores.score_status == "ok")).all()


def test_a_model_of_other_settings_is_another_audit(folder, tmp_path):
    out = tmp_path / "out"
    assert tiny.audit(tiny.overrides(folder, out, "+model.kwargs.seed=0")).returncode == 0
    other = tiny.audit(tiny.overrides(folder, out, "+model.kwargs.seed=1"))
    assert other.returncode == 2
    assert "model.kwargs" in other.stderr


def test_outputs_that_are_not_the_sorted_folders(folder, tmp_path):
    """The report and the tables name outputs as ``class_to_idx`` does."""
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"circle": 0, "square": 2, "stripes": 4}))
    out = tmp_path / "out"
    more = (f"dataset.class_to_idx={names}", "+model.kwargs.num_classes=5", tiny.WHOLE)
    result = tiny.audit(tiny.overrides(folder, out, *more))
    assert result.returncode == 0, result.stderr
    scores = pd.read_parquet(out / "scores")
    assert scores.groupby("class_name").label.unique().map(list).to_dict() == {
        "circle": [0], "square": [2], "stripes": [4],
    }  # fmt: skip
    told = json.loads((out / "run.json").read_text())["classes"]
    assert told == {"0": "circle", "2": "square", "4": "stripes"}


def test_a_photo_that_grows_beyond_all_bounds(folder, tmp_path):
    """A strip one pixel high: resizing its shorter side for the model would take gigabytes."""
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    Image.new("RGB", (60_000, 1)).save(root / "images" / "circle" / "strip.png")
    result = tiny.audit(
        tiny.overrides(root, tmp_path / "out", "max_failed_fraction=0.1", "max_pixels=1000000")
    )
    assert result.returncode == 0, result.stderr
    statuses = pd.read_parquet(tmp_path / "out" / "statuses.parquet").set_index("image_id")
    assert statuses.status["circle/strip.png"] == "too_large"
    assert "72 x 4320000 px" in statuses.error["circle/strip.png"]


def test_failures_are_judged_against_the_files_they_are_of(folder, tmp_path):
    """A sample is drawn from what could be listed: one bad file of 41 is not one of 7."""
    root = tmp_path / "photos"
    shutil.copytree(folder, root)
    for number in range(22):
        shutil.copy(
            root / "images" / "circle" / "0000.jpg", root / "images" / "circle" / f"c{number}.jpg"
        )
    (root / "images" / "circle" / "bad.jpg").touch()
    more = ("limit=6", "stages=[index]")
    result = tiny.audit(tiny.overrides(root, tmp_path / "out", *more))
    assert result.returncode == 0, result.stderr
    counts = json.loads((tmp_path / "out" / "run.json").read_text())["counts"]
    assert counts == {"images": 41, "ok": 6, "skipped": 0, "left_out": 34, "failed": 1}


def test_flags_of_another_sample_are_refused(folder, tmp_path):
    out = tmp_path / "out"
    first = tiny.overrides(folder, out, "stages=[index,attribute,score,flag,report]")
    assert tiny.audit(first).returncode == 0
    result = tiny.audit(tiny.overrides(folder, out, "limit=6", "stages=[index,flag,report]"))
    assert result.returncode == 2
    assert "add attribute and score to stages" in result.stderr


def test_a_change_undoes_what_reads_it_and_nothing_else(folder, again):
    """A limit of the checks re-judges the evidence; clusters, flags and attacks stay."""
    out = again
    given = ("trust.images=6", "adversarial.images=2", "adversarial.steps=2", tiny.WHOLE)
    assert tiny.audit(tiny.overrides(folder, out, *given)).returncode == 0
    names = ("clusters", "flags", "adversarial", "agreement", "evidence", "methods")
    before = {name: (out / f"{name}.parquet").stat().st_mtime_ns for name in names}
    # Every method fails it, so that the evidence has to be judged anew.
    again = tiny.overrides(folder, out, *given, "trust.max_similarity=-1")
    assert tiny.audit(again).returncode == 0
    after = {name: (out / f"{name}.parquet").stat().st_mtime_ns for name in names}
    assert {name for name in names if after[name] != before[name]} == {"evidence", "methods"}
    alone = tiny.overrides(folder, out, *given, "trust.max_similarity=-0.5", "stages=[trust]")
    assert tiny.audit(alone).returncode == 0
    record = json.loads((out / "run.json").read_text())["fingerprints"]
    assert {*GROUPS} - {*record} == {"evidence", "boundary", "report"}


def test_the_report_says_which_stages_are_not_in_it(folder, again):
    page = again / "report" / "index.html"
    assert "Not in this report" not in page.read_text(encoding="utf-8")
    words = tiny.overrides(folder, again, "trust.images=5", "stages=[trust,flag,report]")
    assert tiny.audit(words).returncode == 0
    text = page.read_text(encoding="utf-8")
    stages = "stages not run with these settings): evidence, boundary"
    assert f"Not in this report ({stages}" in text


def test_every_stage_stands_after_those_that_it_reads():
    names = [stage.name for stage in STAGES]
    assert len({*names}) == len(names)
    assert [*dict.fromkeys(stage.group for stage in STAGES)] == [*GROUPS]
    for place, stage in enumerate(STAGES):
        assert {*stage.needs, *stage.reads} <= {*names[:place]}
