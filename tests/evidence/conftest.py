"""The framed photos, and the audit of their border that several tests go on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny
from tests.evidence import framed


@pytest.fixture(scope="session")
def framed_photos(made_once) -> Path:
    """14 photos a class; do not change them."""
    return made_once("framed", framed.make_folder)


@pytest.fixture(scope="session")
def bordered(framed_photos, made_once) -> Path:
    """What the network that reads frames gives with ``cues=[border]``; do not change it."""

    def make(place: Path) -> None:
        words = framed.overrides(framed_photos, place / "out", "reading_net", "cues=[border]")
        done = tiny.audit(words)
        assert done.returncode == 0, done.stderr

    return made_once("bordered", make) / "out"
