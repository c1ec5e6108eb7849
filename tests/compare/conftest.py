"""Two made-up runs: before a cure and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.compare.runs import MadeUp, around

if TYPE_CHECKING:
    from pathlib import Path

    from xai_audit.run.reader import Run


@pytest.fixture
def cured(tmp_path: Path) -> tuple[Run, Run]:
    """Before: rose by its border and its corner. After: the border is gone, tulip has a corner."""
    before = MadeUp(tmp_path / "before" / "gradcam", wrong={"tulip/0.jpg": "rose"})
    before.cell("rose", "border", around(0.8, 20, 1)).cell("rose", "background", around(0.7, 20, 2))
    before.cell("tulip", "border", around(0.02, 8, 3, spread=0.02)).cell(
        "tulip", "corner", around(0.0, 8, 4)
    )
    before.cell("tulip", "background", around(0.3, 20, 5, spread=0.4))
    after = MadeUp(tmp_path / "after" / "gradcam", wrong={"tulip/1.jpg": "rose"}, heat_shift=1)
    after.cell("rose", "border", around(0.0, 8, 6)).cell("rose", "background", around(0.69, 20, 7))
    after.cell("tulip", "border", around(0.02, 8, 8, spread=0.02)).cell(
        "tulip", "corner", around(0.9, 20, 9)
    )
    after.cell("tulip", "background", around(0.4, 20, 10, spread=0.4))
    return before.write(), after.write()


@pytest.fixture
def strangers(tmp_path: Path) -> tuple[Run, Run]:
    """The same classes and cues, of other photos: the names of some are the same."""
    runs = []
    for name, first, effect, size in (("one", 0, 0.8, 1000), ("other", 12, 0.1, 5000)):
        run = MadeUp(tmp_path / name, first=first, bytes_of=size)
        rng_of = np.random.default_rng
        runs.append(
            run.cell("rose", "border", effect + rng_of(first).normal(0, 0.05, 20))
            .cell("tulip", "border", around(0.0, 20, first + 1))
            .write()
        )
    return runs[0], runs[1]
