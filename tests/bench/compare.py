"""How often the interval of the difference of two runs' effects holds the known difference.

Populations are those of the bench ``coverage``, seen by two models: the other one's effect on a
photo is the same, half, gone or of a draw of its own. And how many cells are called changed where
nothing but the draw of photos and donors differs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.rows import NO_BOUND, Row
from tests.compare.runs import MadeUp
from tests.statistics.populations import KINDS
from xai_audit.compare.comparison import compare
from xai_audit.compare.difference import unpaired
from xai_audit.compare.words import NO_CHANGE, UNCLEAR
from xai_audit.statistics.intervals import difference_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Draw = Callable[[np.random.Generator, tuple[int, int]], tuple[NDArray, NDArray]]

COMMAND = "python -m tests.bench compare"
SIZES = (8, 16, 24, 32)
_TRUTH = 200_000
_LEAST, _MOST = 0.93, 0.97
_CHANGED = 0.05


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """Per size a row for paired and unpaired differences; then cells of two seeds."""
    del shared
    draws = 100 if quick else 500
    for size in SIZES:
        for paired in (True, False):
            held = [
                coverage(draw, size, paired=paired, draws=draws) for draw in POPULATIONS.values()
            ]
            yield _row(size, np.array(held), paired=paired)
    classes, cues = (4, 4) if quick else (20, 10)
    yield _seeds(classes, cues, rounds=1 if quick else 3)


def _row(size: int, held: NDArray[np.float64], *, paired: bool) -> Row:
    mean, worst = float(held.mean()), float(held.min())
    return Row(
        f"{size} {'pairs' if paired else 'and 8 pairs, unpaired'}: 95 % intervals of the "
        "difference of two runs that hold it",
        f"{_LEAST} to {_MOST}" if paired else NO_BOUND,
        f"{mean:.3f} (worst of {len(held)} populations {worst:.3f})",
        not paired or _LEAST <= mean <= _MOST,
        COMMAND,
    )


def coverage(draw: Draw, size: int, *, paired: bool, draws: int, truth: int = _TRUTH) -> float:
    """The share of intervals of ``size`` pairs that hold the difference of the population.

    Unpaired: of ``size`` pairs of the one run and 8 of the other, of other photos.
    """
    rng = np.random.default_rng([size, draws])
    before, after = draw(np.random.default_rng(1), (1, truth))
    difference = float((after - before).mean())
    one, two = draw(rng, (draws, size))
    if not paired:
        two = draw(rng, (draws, 8))[1]
    held = 0
    for was, now in zip(one, two, strict=True):
        if paired:
            low, high = difference_interval(now - was)
        else:
            found = unpaired(was, None, now, None)
            low, high = found.low, found.high
        held += low <= difference <= high
    return held / draws


def populations() -> dict[str, Draw]:
    """Name -> the effects of the same photos in two runs, by generator and shape."""

    def seen(kind: Callable, change: str) -> Draw:
        def draw(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[NDArray, NDArray]:
            before, noise = kind(rng, shape), rng.normal(0, 0.03, shape)
            after = {
                "same": lambda: before + noise,
                "half": lambda: before / 2 + noise,
                "gone": lambda: noise,
                "redrawn": lambda: kind(rng, shape),
            }[change]()
            return before, np.clip(after, -1, 1)

        return draw

    changes = ("same", "half", "gone", "redrawn")
    return {f"{name}, {c}": seen(kind, c) for name, kind in KINDS.items() for c in changes}


POPULATIONS = populations()


def changed_between_seeds(folder: Path, classes: int, cues: int, *, seed: int) -> tuple[int, int]:
    """Cells called changed, of all, of one model audited with two seeds: other photos and donors.

    Each cell's population is one of the kinds; a seed draws 20 of its photos and their donors, and
    an effect changes a little with the donor.
    """
    names = tuple(f"class_{n}" for n in range(classes))
    runs = []
    for which in (0, 1):
        run = MadeUp(folder / f"seed_{which}", names, per_class=40, seed=which)
        for number, name in enumerate(names):
            for cue in range(cues):
                kind = [*KINDS.values()][(number * cues + cue) % len(KINDS)]
                truth = kind(np.random.default_rng([seed, number, cue]), 40)
                rng = np.random.default_rng([seed, number, cue, which])
                chosen = np.sort(rng.permutation(40)[:20])
                effects = np.clip(truth[chosen] + rng.normal(0, 0.05, 20), -1, 1)
                run.cell(name, f"cue_{cue}", effects, donors=int(rng.integers(20)), places=chosen)
        runs.append(run.write())
    words = compare(runs).table["word"]
    return int((~words.isin([NO_CHANGE, UNCLEAR])).sum()), len(words)


def _seeds(classes: int, cues: int, *, rounds: int) -> Row:
    found = []
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(changed_between_seeds(Path(folder), classes, cues, seed=seed))
    changed, total = np.sum(found, axis=0)
    return Row(
        f"{total:,} cells of one model audited with two seeds: called changed",
        f"<= {_CHANGED:.0%}",
        f"{changed} ({changed / total:.1%})",
        changed / total <= _CHANGED,
        COMMAND,
    )
