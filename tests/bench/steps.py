"""Single steps of the evidence against the way that libraries offer, in one process, in turn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.restoration import inpaint_biharmonic
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from tests.bench.rows import Row
from xai_audit.cues._fill import filled
from xai_audit.evidence.availability import availability

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMAND = "make bench ARGS=steps"


def run(shared: Path, quick: bool) -> list[Row]:
    """Rows for filling a hole and for availability with its permutations."""
    del shared
    return [_filling(rounds=1 if quick else 5), _availability(permutations=20 if quick else 200)]


def _filling(*, rounds: int) -> Row:
    """The hole that an object leaves: a disc over a ninth of a photo's canvas."""
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (256, 340, 3), dtype=np.uint8)
    y, x = np.ogrid[:256, :340]
    hole = (y - 128) ** 2 + (x - 170) ** 2 < 56**2
    ours = torch.from_numpy(photo).permute(2, 0, 1).contiguous(), torch.from_numpy(hole)
    mine = _seconds(lambda: filled(*ours), rounds)
    theirs = _seconds(lambda: inpaint_biharmonic(photo, hole, channel_axis=2), 1)
    return _row("filling a hole of a 256 x 340 photo; skimage's biharmonic one", mine, theirs)


def _availability(*, permutations: int) -> Row:
    """17 classes of 80 photos with 150 descriptors."""
    rng = np.random.default_rng(0)
    names = [f"c{number:02}" for number in range(17)]
    labels = np.repeat(names, 80)
    content = rng.normal(size=(len(labels), 150)).astype(np.float32)
    groups = np.arange(len(labels))
    mine = _seconds(
        lambda: availability(
            content, labels, groups, classes=names, permutations=permutations, seed=0
        ),
        1,
    )
    one = (labels[:, None] == np.array(names)).astype(np.float64)
    folds = StratifiedKFold(5).split(content, labels)
    fit = _seconds(lambda: cross_val_predict(Ridge(150), content, one, cv=list(folds)), 1)
    what = f"availability of 17 classes, {permutations} permutations; so many of one ridge's fits"
    return _row(what, mine, fit * (1 + permutations))


def _seconds(call: Callable[[], object], rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return min(spent)


def _row(what: str, mine: float, theirs: float) -> Row:
    ratio = theirs / mine
    measured = f"{ratio:.1f}x ({mine:.3f} s against {theirs:.3f} s)"
    return Row(what, ">= 1x", measured, met=ratio >= 1, command=COMMAND)
