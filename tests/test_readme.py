"""The README is true: its commands run, its figures are the package's own."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchvision import models

from tests import tiny

TEXT = (tiny.REPO / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, flags=re.DOTALL)


def commands() -> list[list[str]]:
    """Every command line of the README, in blocks and between backticks."""
    lines = [
        line
        for language, block in BLOCKS
        if language == "sh"
        for line in block.replace("\\\n", " ").splitlines()
    ]
    lines += re.findall(r"`(python -m xai_audit [^`]+)`", TEXT)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.fixture(scope="module")
def place(tmp_path_factory, folder) -> Path:
    """A folder with what the README's user has: photos, a checkpoint, the files it shows."""
    root = tmp_path_factory.mktemp("user")
    shutil.copytree(folder / "images", root / "photos")
    torch.manual_seed(0)
    for arch in ("resnet18", "resnet34"):
        torch.save(models.get_model(arch, num_classes=3).state_dict(), root / f"{arch}.pth")
    for language, block in BLOCKS:
        name = re.match(r"# ([\w/]+\.(?:py|yaml))", block)
        if name and language in ("python", "yaml"):
            target = root / name[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block, encoding="utf-8")
    return root


def run(arguments: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_CACHE_HOME": str(place / "cache")}
    return subprocess.run(
        arguments, cwd=place, env=env, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_command(arguments, place):
    if arguments[0] == "make":
        dry = run(["make", "-C", str(tiny.REPO), "-n", *arguments[1:]], place)
        assert dry.returncode == 0, dry.stderr
        return
    assert arguments[:3] == ["python", "-m", "xai_audit"]
    # Checks and attacks take minutes on a CPU; where the README says no number, two are enough.
    told = {word.partition("=")[0] for word in arguments}
    few = [f"{key}=2" for key in ("trust.images", "adversarial.images") if key not in told]
    done = run([sys.executable, *arguments[1:], *few], place)
    assert done.returncode == 0, done.stderr


def test_pandas_lines_after_the_commands(place):
    """Needs the run of the own-data command above."""
    block = next(b for language, b in BLOCKS if language == "python" and "read_parquet" in b)
    if not (place / "outputs").is_dir():
        pytest.skip("runs after the README's commands")
    done = run([sys.executable, "-c", block], place)
    assert done.returncode == 0, done.stderr
    assert "mass_border" in done.stdout
    assert "ok" in done.stdout


def test_truth_table_is_the_packages_own():
    with (tiny.REPO / "xai_audit" / "demo" / "truth.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["plant"]:
            line = (
                f"| {row['class_name']} | {row['plant'].replace('_', ' ')} | {row['region']} "
                f"| {float(row['accuracy_with']):.2f} | {float(row['accuracy_without']):.2f} |"
            )
            assert line in TEXT
    honest = [float(row["accuracy_with"]) for row in rows if not row["plant"]]
    assert f"| the {len(honest)} others, lowest | none | | {min(honest):.2f} | |" in TEXT


def test_every_key_named_exists():
    done = tiny.audit(["--help"])
    for key in re.findall(r"`([a-z_]+\.[a-z_]+)=", TEXT):
        group, _, name = key.partition(".")
        known = f"\n  {name}:" in done.stdout or any(
            f"\n{name}:" in "\n" + path.read_text(encoding="utf-8")
            for path in (tiny.REPO / "conf" / group).glob("*.yaml")
        )
        assert known, key


def test_picture_is_there():
    assert (tiny.REPO / re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)[0]).is_file()
