"""What a machine lacks: one line before anything is computed, and ``xai-audit doctor``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiny
from xai_audit.verbs import doctor

_BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == {package!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Block())
"""
# As in a container whose user has no entry.
_NOBODY = """
import pwd
def unknown(*_):
    raise KeyError("uid not found")
pwd.getpwuid = unknown
"""
# A folder in which even root can make nothing.
UNWRITABLE = pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs Linux")
# Package of an extra -> its name and the keys that need it.
EXTRAS = {
    "zennit": ("lrp", ["method=lrp"]),
    "pycocotools": ("coco", ["masks=coco", "~masks.root", "masks.file={root}/coco.json"]),
    "submitit": ("slurm", ["engine=slurm"]),
    "ray": ("ray", ["engine=ray"]),
    "timm": ("timm", ["model=timm", "model.arch=resnet18", "model.pretrained=false"]),
    "datasets": ("huggingface", ["dataset=huggingface", "dataset.path={root}"]),
    "s3fs": ("s3", ["dataset.root=s3://bucket/photos"]),
    "gcsfs": ("gcs", ["dataset.root=gs://bucket/photos"]),
    "adlfs": ("azure", ["dataset.root=az://bucket/photos"]),
    "huggingface_hub": ("hub", ["dataset.root=hf://datasets/a/b/photos"]),
}


def run(before, words, *, limit=None, **options):
    """The command in a process of its own, in which ``before`` has been run."""
    code = f"{before}\nimport sys\nsys.argv = ['xai_audit', *{words!r}]\n"
    code += "from xai_audit.cli import entry\nentry()\n"
    command = [sys.executable, "-c", code]
    if limit is not None:
        command = ["bash", "-c", f'ulimit -v {limit}; exec "$0" "$@"', *command]
    options = {"cwd": tiny.REPO} | options
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def words_for(folder, out, more):
    """The command with ``more``; keys of a group that is replaced go."""
    replaced = {word.partition("=")[0] for word in more}
    given = [
        word for word in tiny.overrides(folder, out)
        if word.partition("=")[0].partition(".")[0] not in replaced
        and word.partition("=")[0] not in replaced
    ]  # fmt: skip
    return given + [word.format(root=folder) for word in more if not word.startswith("~")]


@pytest.mark.parametrize("package", EXTRAS)
def test_a_missing_extra_is_one_line_before_anything_is_computed(folder, tmp_path, package):
    extra, more = EXTRAS[package]
    words = words_for(folder, tmp_path / "out", more)
    done = run(_BLOCK.format(package=package), words)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert f"xai-audit[{extra}]" in line
    assert not (tmp_path / "out").exists()


def test_stages_that_do_not_use_an_extra_do_without(folder, tmp_path):
    words = [*tiny.overrides(folder, tmp_path / "out"), "method=lrp", "stages=[index]"]
    done = run(_BLOCK.format(package="zennit"), words)
    assert done.returncode == 0, done.stderr


def test_too_little_address_space_is_one_line(folder, tmp_path):
    done = run("", tiny.overrides(folder, tmp_path / "out"), limit=3_000_000)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "too little address space for PyTorch: ulimit -v" in line
    assert "remedy: ulimit -v unlimited" in line
    assert not (tmp_path / "out").exists()


def test_without_a_home_the_demo_says_where_its_photos_can_go(tmp_path):
    done = run(_NOBODY, [f"output_dir={tmp_path / 'out'}"], env={"PYTHONPATH": str(tiny.REPO)})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("xai_audit: no home folder for a cache: HOME")
    assert "XDG_CACHE_HOME=DIR" in line


@UNWRITABLE
def test_a_folder_that_cannot_be_written_is_one_line(folder):
    place = [word for word in tiny.overrides(folder, "") if not word.startswith("output_dir=")]
    done = run("", [*place, "stages=[index]"], cwd="/sys", env={"PYTHONPATH": str(tiny.REPO)})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "cannot write the output folder" in line


@UNWRITABLE
def test_the_doctor_audits_rendered_photos_without_a_home_and_in_a_folder_of_no_use():
    done = run(_NOBODY, ["doctor"], cwd="/sys", env={"PYTHONPATH": str(tiny.REPO)})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[-1] == "an audit works here"
    assert lines[-2].startswith("audit of 10 rendered photos: 10 predicted right")
    starts = ("xai_audit", "packages:", "extras:", "memory:", "device:", "cores:", "auto is:")
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=False)] == [
        True
    ] * 7


def test_every_fault_is_one_line_and_the_exit_code_1(monkeypatch):
    plain = doctor._version
    old = {"captum": "0.1", "zennit": None}
    monkeypatch.setattr(doctor, "_version", lambda name: old.get(name, plain(name)))
    monkeypatch.setattr(doctor, "_free_memory", lambda: 1e8)
    done = tiny.audit(["doctor"])
    assert done.returncode == 1
    package, memory = done.stderr.splitlines()
    assert "missing or too old: captum | expected 0.7 or newer | got 0.1" in package
    assert "too little memory" in memory
    assert "zennit not installed" in done.stdout
    assert done.stdout.splitlines()[-1] == "faults: 2"


def test_a_model_that_is_wrong_here_is_a_fault(monkeypatch):
    monkeypatch.setattr(doctor, "_audited", lambda _: (3, 10))
    done = tiny.audit(["doctor"])
    assert done.returncode == 1
    assert "the demo's model is wrong on this machine" in done.stderr
