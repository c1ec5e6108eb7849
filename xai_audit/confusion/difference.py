"""The regions in which the heatmaps of some photos of a class differ from those of its others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xai_audit.schema import REGIONS
from xai_audit.statistics.intervals import LEVEL, student_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xai_audit.confusion.gather import Moments


@dataclass(frozen=True)
class Difference:
    """Masses of the photos on a boundary, and how they differ; NaN is undefined.

    Attributes:
        mass: (R,) mean over the photos.
        excess: (R,) that minus the mean over the class's other photos.
        low: (R,) of the excess; in 95 % of cases the intervals of all regions hold together.
        high: (R,) of the excess.
        others: number of the class's other photos.
    """

    mass: NDArray[np.float64]
    excess: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    others: int

    @property
    def region(self) -> int | None:
        """The index of the region with the largest absolute excess, None where all are unknown.

        It is chosen among those with an interval that excludes 0; else among those with an
        interval; else among all.
        """
        for among in (
            (self.low > 0) | (self.high < 0),
            ~np.isnan(self.low),
            ~np.isnan(self.excess),
        ):
            if among.any():
                return int(np.argmax(np.where(among, np.abs(self.excess), -1.0)))
        return None


def difference(inside: Moments, outside: Sequence[Moments]) -> Difference:
    """How the photos of ``inside`` differ from those of ``outside`` together.

    The interval is Welch's (1947, Biometrika 34, 28), at Bonferroni's level, since the largest of
    several differences is reported.
    """
    count, total, squares = (
        sum((getattr(one, name) for one in outside), np.zeros(len(REGIONS)))
        for name in ("count", "total", "squares")
    )
    mass, error, free = _mean(inside.count, inside.total, inside.squares)
    other, other_error, other_free = _mean(count, total, squares)
    excess, square = mass - other, error + other_error
    known = max(1, int((~np.isnan(excess)).sum()))
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = square**2 / (error**2 / free + other_error**2 / other_free)
    # Without any spread the interval has no width, whatever the degrees of freedom.
    freedom = np.where(square > 0, freedom, 1.0)
    ends = student_interval(excess, np.sqrt(square), freedom, level=1 - (1 - LEVEL) / known)
    low, high = (end.clip(-1, 1) for end in ends)
    return Difference(mass, excess, low, high, sum(one.photos for one in outside))


def _mean(
    count: NDArray[np.float64], total: NDArray[np.float64], squares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, its squared standard error and the degrees of freedom, each (R,); x/0 is NaN."""
    some = np.where(count > 0, count, np.nan)
    free = np.where(count > 1, count - 1, np.nan)
    mean = total / some
    variance = ((squares - some * mean**2) / free).clip(min=0)
    return mean, variance / some, free
