"""Killed or stopped while it transplants, the command goes on where it was."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from torch import nn

from tests import tiny

pytestmark = pytest.mark.xdist_group("evidence_interrupted")  # they share a run

# A part of the transplants each, and as many again.
COPIES = ("circle", "square", "stripes")


def slow_net() -> nn.Module:
    """Six outputs, and so slow that a run is caught in the middle."""

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tiny.net(6)

        def forward(self, images):  # noqa: ANN001, ANN202
            time.sleep(0.02)
            return self.body(images)

    return Slow()


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    root = tiny.make_folder(tmp_path_factory.mktemp("six"), per_class=8)
    for kind in COPIES:
        for folder in ("images", "masks"):
            shutil.copytree(root / folder / kind, root / folder / f"{kind}_2")
    return root


def arguments(photos: Path, out: Path) -> list[str]:
    return tiny.overrides(
        photos,
        out,
        "model.factory=tests.evidence.test_interrupted:slow_net",
        "cues=[border,background,brightness]",
        "compute.batch_size=4",
        "evidence.sequential=false",
        tiny.WHOLE,
    )


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory) -> Path:
    """What an uninterrupted run writes."""
    out = tmp_path_factory.mktemp("whole") / "out"
    result = tiny.audit(arguments(photos, out))
    assert result.returncode == 0, result.stderr
    assert len(list((out / "transplants").glob("part-*"))) == 6
    return out


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_it_goes_on_where_it_was(photos, whole, tmp_path, number, code):
    out = tmp_path / "out"
    process = tiny.started(arguments(photos, out), out, "transplants", 1)
    time.sleep(0.1)  # into the second part
    process.send_signal(number)
    process.wait(timeout=60)
    told = out.with_suffix(".log").read_text()
    assert process.returncode == code, told
    assert "Traceback" not in told
    assert not (out / "SUCCESS").exists()
    assert not (out / "evidence.parquet").exists()
    before = {p: p.stat().st_mtime_ns for p in (out / "transplants").glob("part-*")}
    assert 1 <= len(before) < 6
    result = tiny.audit(arguments(photos, out))
    assert result.returncode == 0, result.stderr
    assert (
        before.items() <= {p: p.stat().st_mtime_ns for p in (out / "transplants").glob("*")}.items()
    )
    for name in ("evidence.parquet", "summary.parquet", "transplants"):
        pd.testing.assert_frame_equal(pd.read_parquet(whole / name), pd.read_parquet(out / name))
