"""What pip would install works from any folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import tiny


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(out), "."],
        cwd=tiny.REPO,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return next(out.glob("*.whl"))


@pytest.mark.xdist_group("demo")
def test_wheel_carries_all_that_is_not_code(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "xai_audit/py.typed",
        "xai_audit/conf/config.yaml",
        "xai_audit/conf/method/gradcam.yaml",
        "xai_audit/demo/flower_net.pt",
        "xai_audit/demo/truth.csv",
    } <= names
    assert any(name.startswith("xai_audit/report/templates/") for name in names)
    assert not [name for name in names if name.startswith(("tests", "conf/", "outputs"))]
    assert wheel.stat().st_size < 3 * 2**20


@pytest.mark.xdist_group("demo")  # whose photos it indexes
def test_installed_from_another_folder(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    work = tmp_path / "work"
    work.mkdir()
    # Isolated from the checkout: neither its folder nor its editable install is on the path.
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "sys.argv = ['xai-audit', 'stages=[index]', 'limit=30']\n"
        "import xai_audit.cli\n"
        f"assert xai_audit.__file__.startswith({str(tmp_path)!r})\n"
        "xai_audit.cli.entry()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=work,
        env={"PATH": "", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(demo_cache())},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (work / "outputs" / "flowers" / "flowers" / "gradcam" / "manifest.parquet").is_file()


def demo_cache() -> Path:
    """The cache where the demo's photos may already be."""
    from xai_audit.demo.dataset import cache_folder

    return cache_folder().parent.parent
