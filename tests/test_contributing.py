"""CONTRIBUTING is true: its examples audit photos, and what it and the workflows name exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

import xai_audit
from tests import tiny
from xai_audit.config.compose import compose
from xai_audit.pipeline import STAGES
from xai_audit.run.paths import RunPaths
from xai_audit.run.progress import StopRequest
from xai_audit.run.record import RunRecord
from xai_audit.work.audit import Audit
from xai_audit.work.runner import Driver

GITHUB = tiny.REPO / ".github"
TEXT = (GITHUB / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|yaml)\n(.*?)```", TEXT, flags=re.DOTALL)
USES = re.findall(r"^Use it: `--config-dir my_conf ([^`]+)`$", TEXT, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory, folder):
    """A folder with the examples, importable here and in worker processes, and what they read."""
    root = tmp_path_factory.mktemp("contributor")
    for language, block in BLOCKS:
        name = re.match(r"# (my_(?:audit|conf)/[\w/]+\.(?:py|yaml))\n", block)
        assert name, f"a {language} block that does not say which file it is"
        (root / name[1]).parent.mkdir(parents=True, exist_ok=True)
        (root / name[1]).write_text(block, encoding="utf-8")
    shutil.copytree(folder / "images", root / "photos")
    photos = sorted((root / "photos").rglob("*.jpg"))
    rows = [(photo.relative_to(root).as_posix(), photo.parent.name) for photo in photos]
    lines = [json.dumps({"path": path, "label": label}) + "\n" for path, label in rows]
    (root / "photos.jsonl").write_text("".join(lines), encoding="utf-8")
    for photo in photos[1:]:  # the first photo has no mask
        mask = folder / "masks" / photo.parent.name / f"{photo.stem}.png"
        array = root / "masks_npy" / photo.parent.name / f"{photo.name}.npy"
        array.parent.mkdir(parents=True, exist_ok=True)
        np.save(array, np.asarray(Image.open(mask)) > 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        patch.setenv("PYTHONPATH", os.pathsep.join((str(root), str(tiny.REPO))))
        yield root
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_audit"]:
        del sys.modules[name]


def audited(place, folder, words: str, *more: str) -> Path:
    """The finished audit of the tiny photos with the plugin that ``words`` of the page choose."""
    given = re.sub(r"=(masks_npy|photos\.jsonl)", rf"={place}/\1", words).split()
    group, out = words.partition("=")[0], place / "runs" / words.partition("=")[0]
    usual = tiny.overrides(folder, out, *more)
    kept = [word for word in usual if re.split(r"[.=]", word)[0] != group]
    done = tiny.audit(["--config-dir", str(place / "my_conf"), *kept, *given])
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def plain(folder, tmp_path_factory) -> Path:
    """The audit of the same photos with plugins of the package alone."""
    out = tmp_path_factory.mktemp("plain") / "out"
    done = tiny.audit(tiny.overrides(folder, out))
    assert done.returncode == 0, done.stderr
    return out


def use(group: str) -> str:
    (words,) = [words for words in USES if words.startswith(f"{group}=")]
    return words


def test_every_kind_of_plugin_has_an_example():
    kinds = {words.partition("=")[0] for words in USES}
    assert kinds == {"method", "cues", "masks", "dataset", "engine"}
    assert len(BLOCKS) == 2 * len(kinds) + 1  # and a stage


def test_method(place, folder):
    scores = pd.read_parquet(audited(place, folder, use("method")) / "scores")
    assert {*scores.method} == {"gradient_energy"}
    assert len(scores) == 18 * 2
    assert scores.mass_object.notna().all()


def test_cue(place, folder):
    stages = "stages=[index,attribute,score,evidence]"
    out = audited(place, folder, use("cues"), stages)
    evidence = pd.read_parquet(out / "evidence.parquet")
    sky, border = (evidence[evidence.cue == name] for name in ("sky", "border"))
    assert len(sky) == 3
    for question in ("availability", "attention", "reliance", "pull"):
        assert sky[question].notna().sum() == border[question].notna().sum() >= 2, question
    pairs = pd.read_parquet(out / "transplants").query("cue == 'sky'")
    assert (pairs.p_with != pairs.p_without).mean() > 0.9


def test_mask_source(place, folder, plain):
    scores = pd.read_parquet(audited(place, folder, use("masks")) / "scores")
    usual = pd.read_parquet(plain / "scores")
    missing = scores.image_id == "circle/0000.jpg"
    assert {*scores[missing].mask_status} == {"missing"}
    pd.testing.assert_frame_equal(scores[~missing], usual[~missing])


def test_dataset(place, folder, plain):
    scores = pd.read_parquet(audited(place, folder, use("dataset")) / "scores")
    usual = pd.read_parquet(plain / "scores")
    assert scores.image_id.tolist() == [f"photos/{image_id}" for image_id in usual.image_id]
    pd.testing.assert_frame_equal(
        scores.drop(columns="image_id"), usual.drop(columns="image_id"), check_categorical=False
    )


def test_engine(place, folder, plain):
    out = audited(place, folder, use("engine"))
    mine, theirs = (
        {path.name: path.read_bytes() for path in (run / "attributions").glob("*.parquet")}
        for run in (out, plain)
    )
    assert len(mine) == 4
    assert mine == theirs


def test_stage(place, folder, tmp_path):
    out = tmp_path / "out"
    words = tiny.overrides(folder, out, "stages=[index]")
    assert tiny.audit(words).returncode == 0
    stage = import_module("my_audit.class_sizes").CLASS_SIZES
    stages = (*STAGES, stage)

    def run_again() -> None:
        paths, spec = RunPaths(out), compose(words)
        reads = {one.name: (*one.needs, *one.reads) for one in stages}
        groups = {one.name: one.group for one in stages}
        record = RunRecord(paths, spec.config, {}, reads, groups)
        audit = Audit(paths, spec, lambda name: record.current(name) is not None)
        Driver(audit, record, StopRequest(), stages).run(stage)
        assert record.content["class_sizes"] == 3

    run_again()
    table = pd.read_parquet(out / "class_sizes.parquet")
    assert dict(zip(table.class_name, table.images, strict=True)) == dict.fromkeys(tiny.CLASSES, 6)
    parts = sorted((out / "class_sizes").glob("part-*.parquet"))
    before = [part.stat().st_mtime_ns for part in parts]
    assert len(parts) == 3
    run_again()
    assert [part.stat().st_mtime_ns for part in parts] == before
    parts[1].unlink()  # only what is missing is made again
    run_again()
    after = [part.stat().st_mtime_ns for part in parts]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_every_path_named_exists():
    for path in re.findall(r"`((?:xai_audit|tests|conf)/[\w/.]+)`", TEXT):
        assert (tiny.REPO / path).exists(), path


FORMS = sorted([*GITHUB.rglob("*.yml"), tiny.REPO / ".pre-commit-config.yaml"])


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_yaml_for_tools_is_readable(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    if path.parent.name == "ISSUE_TEMPLATE" and path.name != "config.yml":
        assert {"name", "description", "body"} <= content.keys()
        fields = [field for field in content["body"] if field["type"] != "markdown"]
        assert all(field["attributes"]["label"] for field in fields)
        assert len({field["id"] for field in fields}) == len(fields)


def test_every_make_target_named_exists():
    makefile = (tiny.REPO / "Makefile").read_text(encoding="utf-8")
    targets = {*re.findall(r"^([a-z][\w-]*):", makefile, flags=re.MULTILINE)}
    phony = re.findall(r"^\.PHONY:(.*)$", makefile, flags=re.MULTILINE)
    assert {*" ".join(phony).split()} <= targets
    for path in (*GITHUB.rglob("*.yml"), *GITHUB.rglob("*.md"), tiny.REPO / "README.md"):
        text = path.read_text(encoding="utf-8")
        shell = "".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL))
        named = re.findall(r"(?:`|run: )make ([a-z][\w-]*)", text)
        named += re.findall(r"^make ([a-z][\w-]*)", shell, flags=re.MULTILINE)
        assert {*named} <= targets, path
        assert named or path.name not in ("CONTRIBUTING.md", "README.md", "ci.yml")


def test_citation_and_package_say_the_same():
    cited = yaml.safe_load((tiny.REPO / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((tiny.REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == xai_audit.__version__
    assert cited["license"] == project["license"]
    assert cited["authors"] == project["authors"]
    assert cited["repository-code"] == project["urls"]["Repository"]


def test_the_workflow_covers_the_python_versions_that_the_package_names():
    project = tomllib.loads((tiny.REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    jobs = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["newest"]["strategy"]["matrix"]["python"] == named
