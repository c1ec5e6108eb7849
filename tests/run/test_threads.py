"""Threads that wait give up their core soon; libgomp itself says what it was told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from tests import tiny

pytestmark = pytest.mark.skipif(
    not torch.backends.openmp.is_available() or sys.platform != "linux", reason="libgomp is Linux's"
)


def said(code: str, **env: str) -> str:
    """The turns that libgomp says it spins, in a Python that runs ``code``."""
    own = {name: value for name, value in os.environ.items() if "SPIN" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=own | {"OMP_DISPLAY_ENV": "verbose", "OMP_NUM_THREADS": "2"} | env,
        cwd=tiny.REPO, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    (line,) = [line for line in done.stderr.splitlines() if "GOMP_SPINCOUNT" in line]
    return line.split("'")[1]


CODE = "from xai_audit.run.threads import spin_briefly; spin_briefly(); import torch"


def test_an_audit_s_threads_spin_briefly():
    assert said("import torch") != "1000"
    assert said(CODE) == "1000"


def test_what_the_user_says_stands():
    assert said(CODE, GOMP_SPINCOUNT="77") == "77"
    assert said(CODE, OMP_WAIT_POLICY="active") != "1000"


def test_an_audit_and_its_workers_say_so_before_torch_is_there():
    """The modules that say it import no torch."""
    code = (
        "import sys, xai_audit.pipeline, xai_audit.work.__main__\n"
        "assert 'torch' not in sys.modules\n"
        "xai_audit.pipeline.before_torch(); import torch"
    )
    assert said(code) == "1000"
