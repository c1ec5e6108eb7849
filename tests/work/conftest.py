"""The audit that every way of making its parts is compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny
from tests.work.processes import arguments


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory) -> Path:
    """What one process, never disturbed, writes."""
    out = tmp_path_factory.mktemp("whole") / "out"
    done = tiny.audit(arguments(folder, out))
    assert done.returncode == 0, done.stderr
    return out
