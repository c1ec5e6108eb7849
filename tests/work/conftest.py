"""The audit that every way of making its parts is compared with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests import tiny
from tests.work.processes import arguments, audited


@pytest.fixture(scope="session")
def whole(folder, made_once) -> Path:
    """What one process, never disturbed, writes; do not change it."""

    def make(place: Path) -> None:
        done = tiny.audit(arguments(folder, place / "out"))
        assert done.returncode == 0, done.stderr

    return made_once("whole", make) / "out"


@pytest.fixture(scope="session")
def undisturbed(folder, made_once) -> Path:
    """What two workers write; do not change it."""

    def make(place: Path) -> None:
        done = audited(folder, place / "out", "tests.work.dying:once")
        assert done.returncode == 0, done.stderr

    return made_once("undisturbed", make) / "out"


@pytest.fixture(scope="session")
def killed(folder, made_once) -> Path:
    """What two workers write of which one was killed at its first part; do not change it."""

    def make(place: Path) -> None:
        flag = place / "once"
        dies = {"XAI_AUDIT_TEST_DIES": str(flag)}
        done = audited(folder, place / "out", "tests.work.dying:once", **dies)
        assert done.returncode == 0, done.stderr
        assert flag.is_file()

    return made_once("killed", make) / "out"


@pytest.fixture
def with_white(folder, tmp_path):
    """The folder with one photo that is white."""
    root = tmp_path / "with_white"
    shutil.copytree(folder, root)
    photo = min((root / "images").rglob("*.jpg"))
    with Image.open(photo) as opened:
        size = opened.size
    Image.new("RGB", size, "white").save(photo)
    return root
