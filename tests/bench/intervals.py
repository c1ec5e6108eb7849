"""Whether 95 % intervals of reliance hold what a sample 20 times as large says.

Rendered photos, of which there are as many as one likes, and a network with a planted shortcut.
The product's own command audits the whole folder with every pair spent, and twenty disjoint pieces
of it as it audits anything: donors from the same few photos, and no more pairs once the answer is
clear. Each interval of a piece is held against the value of the whole, and so are those that
Student, Hall and BCa make of the same differences.
"""

from __future__ import annotations

import logging
import os
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tests.bench.child import audit_command, finished
from tests.bench.coverage import INTERVALS
from tests.bench.planted import scenarios
from tests.bench.planted.audits import CACHE
from tests.bench.planted.build import built, overrides, weights_file
from tests.bench.planted.scenario import HELD_OUT
from tests.bench.rows import NO_BOUND, Row, skipped
from xai_audit.evidence.plan import OTHERS, OWN
from xai_audit.run.paths import RunPaths
from xai_audit.schema import PULL, RELIANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.bench.coverage import Ends
    from tests.bench.planted.scenario import Scenario

log = logging.getLogger(__name__)

COMMAND = "python -m tests.bench intervals"
WHAT = "95 % intervals of reliance that hold the value of a 20x larger sample"
BOUND = "0.93 to 0.97"
TIMES, BUDGET = 20, 32
# Regions and properties, those that change much and those that change little.
_CUES = "cues=[border,corner_top_left,background,colour,brightness,sharpness]"
_CELL = ["class_name", "cue"]
_MOVING, _EFFECT = 0.01, 0.05


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """Rows of each scenario, then of both: all cells, those whose value is no mere zero, effects.

    What an earlier run has audited is not audited again.
    """
    if not weights_file(shared).is_file():
        yield skipped(WHAT, BOUND, "no weights", COMMAND)
        return
    times = 2 if quick else TIMES
    tables = []
    for scenario in scenarios.large()[:1] if quick else scenarios.large():
        tables.append(compared(scenario, shared, times))
        yield from _rows(tables[-1], f" of {scenario.name}", quick=quick)
    found = pd.concat(tables)
    yield from _rows(found, "", quick=quick)
    moving = found[found["whole"].abs() >= _MOVING]
    yield from (_other(name, ends, moving) for name, ends in INTERVALS.items() if name != "ours")


def _rows(found: pd.DataFrame, where: str, *, quick: bool) -> Iterator[Row]:
    # With every pair of a piece close to 0 an interval holds 0 whatever it is made of.
    moving = found[found["whole"].abs() >= _MOVING]
    effects = found[found["whole"].abs() >= _EFFECT]
    yield _row(f"{WHAT}{where}, {len(found)} of all cells", found, quick=quick)
    some = f"with a value of at least {_MOVING}"
    yield _row(f"... {len(moving)} of cells{where} {some}", moving, quick=quick)
    some = f"with an effect of at least {_EFFECT}"
    yield _row(f"... {len(effects)} of cells{where} {some}", effects, quick=quick)


def compared(scenario: Scenario, shared: Path, times: int) -> pd.DataFrame:
    """One row an interval: what :func:`audited` returns, ``piece``, and ``whole``, the value."""
    root = built(scenario, shared, CACHE, held_out=HELD_OUT * times)
    plenty = (
        "evidence.sequential=false",
        f"evidence.images_per_class={BUDGET * times}",
        f"evidence.read_per_class={HELD_OUT * times}",
    )
    whole = audited(scenario, root, root / "images", root / "audit", plenty)
    pieces = []
    for number in range(times):
        folder = piece(root, number, times)
        pieces.append(
            audited(scenario, root, folder, root / f"audit_{number}").assign(piece=number)
        )
        log.info("%s, piece %d of %d", scenario.name, number + 1, times)
    found = pd.concat(pieces)
    found["whole"] = [whole["reliance"].get(cell) for cell in found.index]
    # Of what a class has lost, or not, by the few photos of a piece: another question.
    alike = [whole["measured_on"].get(cell) for cell in found.index] == found["measured_on"]
    return found[alike].dropna(subset=["whole", "reliance_low"]).reset_index()


def audited(
    scenario: Scenario, root: Path, images: Path, output: Path, more: tuple[str, ...] = ()
) -> pd.DataFrame:
    """The cells that an audit of ``images`` measured, by class and cue, with their differences."""
    kept = [
        text
        for text in overrides(scenario, root)
        if not text.startswith(("dataset.root=", "output_dir="))
    ]
    places = (f"dataset.root={images}", f"output_dir={output}")
    stages = "stages=[index,attribute,score,evidence]"
    finished(audit_command([*kept, *places, stages, _CUES, *more]))
    paths = RunPaths(output)
    table = pd.read_parquet(paths.evidence)
    columns = ["measured_on", "n_images", "reliance", "reliance_low", "reliance_high"]
    cells = table.set_index(_CELL)[columns]
    pairs = pd.concat([pd.read_parquet(part) for part in RunPaths.parts(paths.transplants)])
    pairs = pairs[pairs["given"].isna()]
    known = (pairs["p_with"] - pairs["p_without"]).dropna().astype(float)
    lists = known.groupby([pairs[name] for name in (*_CELL, "question")]).apply(np.array)
    questions = cells["measured_on"].map({OWN: RELIANCE, OTHERS: PULL})
    places = [(*cell, question) for cell, question in questions.items()]
    return cells.assign(differences=[lists.get(place) for place in places])


def piece(root: Path, number: int, times: int) -> Path:
    """A folder with every ``times``-th photo of each label, from ``number``; linked, not copied."""
    folder = root / "pieces" / str(number)
    shutil.rmtree(folder, ignore_errors=True)
    for label in sorted((root / "images").iterdir()):
        (folder / label.name).mkdir(parents=True)
        for file in sorted(label.iterdir())[number::times]:
            os.link(file, folder / label.name / file.name)
    return folder


def _other(name: str, ends: Callable[..., Ends], found: pd.DataFrame) -> Row:
    """The share of the same cells whose interval by another rule holds the value."""
    holds = []
    for differences, value in zip(found["differences"], found["whole"], strict=True):
        low, high = ends(differences[None])
        holds.append(bool(low[0] <= value <= high[0]))
    share = sum(holds) / len(holds) if holds else float("nan")
    return Row(f"... by {name} instead", NO_BOUND, f"{share:.3f}", met=True, command=COMMAND)


def _row(what: str, found: pd.DataFrame, *, quick: bool) -> Row:
    """The share that holds the value; a handful of intervals is measured but meets no bound."""
    holds = (found["reliance_low"] <= found["whole"]) & (found["whole"] <= found["reliance_high"])
    share = float(holds.mean())
    over = float((found["whole"] > found["reliance_high"]).mean())
    return Row(
        what, BOUND, f"{share:.3f} (value above {over:.3f}, below {1 - share - over:.3f})",
        quick or 0.93 <= share <= 0.97, COMMAND,
    )  # fmt: skip
