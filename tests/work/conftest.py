"""The audit that every way of making its parts is compared with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests import tiny
from tests.work.processes import arguments


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory) -> Path:
    """What one process, never disturbed, writes."""
    out = tmp_path_factory.mktemp("whole") / "out"
    done = tiny.audit(arguments(folder, out))
    assert done.returncode == 0, done.stderr
    return out


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
