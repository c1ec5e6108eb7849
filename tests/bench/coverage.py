"""How often intervals of a mean of paired differences hold it: ours, Student's, Hall's and BCa.

The populations are those of the tests: differences of probabilities as transplants give them, most
of them near 0 and a few large. Ours is the one of the package; Hall's (1992) is written out anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from tests.bench.rows import NO_BOUND, Row
from tests.statistics.populations import KINDS, mostly_noise
from xai_audit.statistics.intervals import difference_interval, effect_interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Ends = tuple[NDArray[np.float64], NDArray[np.float64]]

COMMAND = "python -m tests.bench coverage"
SIZES = (8, 16, 24, 32)
_RESAMPLES = 2000
_TRUTH = 1_000_000
_LEAST, _MOST = 0.93, 0.97
# One photo in so many is changed; a bound stands on the first.
_RARE, _LEAST_RARE = (20, 10, 5), 0.90


def run(shared: Path, quick: bool) -> list[Row]:
    """Per size a row an interval: its coverage of the mean, and how wide it is."""
    del shared
    cells = 100 if quick else 2000
    rows = []
    for size in SIZES:
        found = {name: [] for name in INTERVALS}
        for number, draw in enumerate(KINDS.values()):
            rng = np.random.default_rng([number, size])
            truth = float(draw(rng, _TRUTH).mean())
            samples = draw(rng, (cells, size))
            for name, ends in INTERVALS.items():
                low, high = ends(samples)
                holds = (low <= truth) & (truth <= high)
                found[name].append((holds.mean(), (high - low).mean()))
        rows += [_row(name, size, np.array(values), found) for name, values in found.items()]
    return [*rows, *(_rare(one_in, size, cells) for one_in in _RARE for size in SIZES)]


def _rare(one_in: int, size: int, cells: int) -> Row:
    """An effect in one photo of ``one_in``, which a small sample may not hold at all."""
    draw, rng = mostly_noise(1 / one_in), np.random.default_rng([one_in, size])
    truth = float(draw(rng, _TRUTH).mean())
    samples = draw(rng, (cells, size))
    shares = [
        float(((low <= truth) & (truth <= high)).mean())
        for low, high in (ours(samples), unallowed(samples))
    ]
    bound = one_in == _RARE[0]
    unseen = (1 - 1 / one_in) ** size
    return Row(
        f"{size} differences, ours: that hold a mean of one photo in {one_in}",
        f">= {_LEAST_RARE}" if bound else NO_BOUND,
        f"{shares[0]:.3f}; {shares[1]:.3f} without allowing for photos not seen (in {unseen:.3f} "
        "of samples no photo shows it)",
        not bound or shares[0] >= _LEAST_RARE,
        COMMAND,
    )


def _row(name: str, size: int, values: NDArray[np.float64], found: dict) -> Row:
    """Mean and worst coverage of all populations, and the mean width in units of Student's."""
    shares, widths = values.T
    wide = float((widths / np.array(found["Student"])[:, 1]).mean())
    ours = name == "ours"
    return Row(
        f"{size} differences, {name}: 95 % intervals that hold the mean",
        f"{_LEAST} to {_MOST}" if ours else NO_BOUND,
        f"{shares.mean():.3f} (worst population {shares.min():.3f}, {wide:.2f} of Student's width)",
        not ours or _LEAST <= shares.mean() <= _MOST,
        COMMAND,
    )


def ours(samples: NDArray[np.float64]) -> Ends:
    """Those of the package, of each row of samples (cells, n)."""
    low, high = np.array([effect_interval(sample) for sample in samples]).T
    return low, high


def unallowed(samples: NDArray[np.float64]) -> Ends:
    """Those of the package for differences of which no photo may be missing."""
    low, high = np.array([difference_interval(sample) for sample in samples]).T
    return low, high


def student(samples: NDArray[np.float64]) -> Ends:
    """Student's t."""
    return _studentised(samples, lambda quantile, _: quantile)


def hall(samples: NDArray[np.float64]) -> Ends:
    """Hall's cubic transformation of the studentised mean (1992, JRSS B 54, 221), inverted."""
    root = np.sqrt(samples.shape[1])

    def inverse(quantile: float, skewness: NDArray[np.float64]) -> NDArray[np.float64]:
        a = np.where(np.abs(skewness) < 1e-9, 1e-9, skewness) / root
        return 3 / a * (np.cbrt(1 + a * (quantile - a / 6)) - 1)

    return _studentised(samples, inverse)


def bca(samples: NDArray[np.float64]) -> Ends:
    """SciPy's bias-corrected and accelerated bootstrap; of equal values no more than the mean."""
    mean = samples.mean(1)
    low, high = mean.copy(), mean.copy()
    vary = np.ptp(samples, axis=1) > 0
    found = stats.bootstrap(
        (samples[vary],), np.mean, axis=-1, method="BCa", n_resamples=_RESAMPLES, batch=100,
        random_state=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    low[vary], high[vary] = found.low, found.high
    return low, high


INTERVALS: dict[str, Callable[[NDArray[np.float64]], Ends]] = {
    "ours": ours,
    "Student": student,
    "Hall": hall,
    "BCa": bca,
}


def _studentised(
    samples: NDArray[np.float64],
    quantile_of: Callable[[float, NDArray[np.float64]], NDArray[np.float64] | float],
) -> Ends:
    """Ends mean - T(q) error and mean - T(-q) error, q of Student's t."""
    count = samples.shape[1]
    mean, error = samples.mean(1), stats.sem(samples, axis=1)
    skewness = np.nan_to_num(stats.skew(samples, axis=1))
    q = float(stats.t.ppf(0.975, count - 1))
    return mean - quantile_of(q, skewness) * error, mean - quantile_of(-q, skewness) * error
