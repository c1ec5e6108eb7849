from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny
from tests.multilabel import rendered


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the photos; do not change it."""
    return rendered.make(tmp_path_factory.mktemp("labels"))


@pytest.fixture(scope="session")
def audited(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the command logged, and its output folder."""
    out = tmp_path_factory.mktemp("audit") / "out"
    done = tiny.audit(
        rendered.overrides(
            photos,
            out,
            "stages=[index,attribute,score,evidence,boundary,adversarial,flag,report]",
            "cues=[corner_top_left,corner_bottom_right]",
            "evidence.permutations=20",
        )
    )
    assert done.returncode == 0, done.stderr
    return done.stderr, out
