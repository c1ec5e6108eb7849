from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests run side by side: threads of one would only wait for those of the other. torch reads
    # this when it is imported, the commands that a test starts inherit it.
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

from tests import tiny


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real photos and checkpoints; the test is skipped where they are not."""
    place = Path(os.environ.get("XAI_AUDIT_SHARED") or tiny.REPO.parent / "shared")
    if not (place / "data" / "flowers17").is_dir():
        pytest.skip(f"no real photos at {place}; set XAI_AUDIT_SHARED")
    return place


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small photo folder with masks; do not change it."""
    return tiny.make_folder(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The README's audit of the demo, in an empty folder: the ended process, what it wrote.

    It takes minutes: who uses it is of the xdist_group "demo". The photos are rendered unless they
    are in the user's cache.
    """
    place = tmp_path_factory.mktemp("demo")
    done = tiny.audit_process(tiny.DEMO, cwd=place, timeout=900)
    return done, place / "outputs" / "flowers" / "flowers" / "gradcam"
