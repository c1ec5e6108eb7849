from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests run side by side: threads of one would only wait for those of the other. torch reads
    # this when it is imported, the commands that a test starts inherit it.
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

from tests import tiny

# Most of what a command in a process of its own costs is its imports: without torch's compiler (see
# there), and with what Python has compiled kept, they take half the time.
PYTHONPATH = os.environ.get("PYTHONPATH", "")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tiny.STARTUP), PYTHONPATH]))
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real photos and checkpoints; the test is skipped where they are not."""
    place = Path(os.environ.get("XAI_AUDIT_SHARED") or tiny.REPO.parent / "shared")
    if not (place / "data" / "flowers17").is_dir():
        pytest.skip(f"no real photos at {place}; set XAI_AUDIT_SHARED")
    return place


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``made_once(name, make)``: a folder that ``make`` fills once for all processes that test.

    Who wants to change it copies it: :func:`shutil.copytree` keeps the times of its files, so that
    an audit in the copy is as finished as the one it is of.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # which the processes share

    def once(name: str, make: Callable[[Path], object]) -> Path:
        place, made = base / "once" / name, base / "once" / f"{name}.made"
        place.parent.mkdir(exist_ok=True)
        with made.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(place, ignore_errors=True)  # of a test that failed at it
                place.mkdir()
                make(place)
                made.touch()
        return place

    return once


@pytest.fixture(scope="session")
def folder(made_once: Callable[..., Path]) -> Path:
    """A small photo folder with masks; do not change it."""
    return made_once("photos", tiny.make_folder)


@pytest.fixture(scope="session")
def finished(made_once: Callable[..., Path], folder: Path) -> Path:
    """An uninterrupted run of every stage on ``folder``; do not change it, copy it.

    What it logged is beside it, with the suffix ``.log``.
    """

    def make(place: Path) -> None:
        done = tiny.audit(tiny.overrides(folder, place / "out", tiny.WHOLE))
        assert done.returncode == 0, done.stderr
        (place / "out.log").write_text(done.stderr, encoding="utf-8")

    return made_once("finished", make) / "out"


@pytest.fixture(scope="session")
def two_methods(made_once: Callable[..., Path], folder: Path) -> Path:
    """As :func:`finished`, with the methods gradcam and saliency; do not change it."""

    def make(place: Path) -> None:
        more = (tiny.WHOLE, "methods=[gradcam,saliency]")
        done = tiny.audit(tiny.overrides(folder, place / "out", *more))
        assert done.returncode == 0, done.stderr

    return made_once("two_methods", make) / "out"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The README's audit of the demo, in an empty folder: the ended process, what it wrote.

    It takes minutes: who uses it is of the xdist_group "demo". The photos are rendered unless they
    are in the user's cache.
    """
    place = tmp_path_factory.mktemp("demo")
    as_a_user = os.environ | {"PYTHONPATH": PYTHONPATH}
    done = tiny.audit_process(tiny.DEMO, cwd=place, timeout=1500, env=as_a_user)
    return done, place / "outputs" / "flowers" / "flowers" / "gradcam"
