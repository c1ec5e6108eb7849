"""Attention: the relevance that falls on a cue in excess of what is expected, class by class."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xai_audit.evidence.columns import ATTENTION
from xai_audit.evidence.donors import MIN_PHOTOS
from xai_audit.statistics.estimate import UNKNOWN, Estimate, paired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.heatmaps import Shares
    from xai_audit.evidence.readings import SurveyTables


@dataclass(frozen=True)
class Attention:
    """The relevance of one class on one cue.

    Attributes:
        estimate: mean share of the relevance in the region minus its expectation.
        mass: mean share in the region, 0..1.
        area: mean share of the view that the region takes, 0..1.
        masses: (m,) share of each photo of the class, in the given order; NaN undefined.
    """

    estimate: Estimate
    mass: float
    area: float
    masses: NDArray[np.float64] = field(compare=False)


@dataclass(frozen=True)
class _Profile:
    """One class's mean share map (h·w,), and the rows (m,) that it is the mean of."""

    mean: NDArray[np.float64]
    rows: NDArray[np.int64]


def attention(
    shares: NDArray[np.float32],
    regions: NDArray[np.float32],
    areas: NDArray[np.float64],
    classes_of: NDArray[np.str_],
    *,
    classes: Sequence[str],
    seed: int,
) -> dict[str, Attention]:
    """The excess of relevance in the cue's region over its expectation, for each class.

    An image's expectation is the relevance that the mean map of the other classes, each with equal
    weight, has in the same region: the null is other images' maps on this image's mask. The
    interval and the sign-flip p are those of :func:`~xai_audit.statistics.estimate.paired`, of
    excesses that are spread out to include the uncertainty of the other classes' mean map.

    Args:
        shares: (n, h, w) relevance as shares of its total; a row with NaN is undefined.
        regions: (n, h, w) pulled down on that grid, so that sum(share * region) is the mass; a row
            with NaN is unknown.
        areas: (n,) of the regions, 0..1.
        classes_of: (n,) class of each image.
        classes: names; one with < 5 images with a map and a region has an unknown estimate.
        seed: of the sign flips.
    """
    maps = shares.reshape(len(shares), -1)
    places = regions.reshape(len(regions), -1)
    seen = np.isfinite(maps).all(1)
    shown = seen & np.isfinite(places).all(1)
    profiles = {
        name: _Profile(maps[rows].mean(0, dtype=np.float64), rows)
        for name in classes
        if len(rows := np.flatnonzero(seen & (classes_of == name)))
    }
    found = {}
    for name in classes:
        rows = np.flatnonzero(shown & (classes_of == name))
        others = [profile for other, profile in profiles.items() if other != name]
        mine = np.flatnonzero(classes_of == name)
        masses = (maps[mine] * places[mine]).sum(1, dtype=np.float64)
        found[name] = Attention(
            estimate=_excess(maps, places, rows, others, seed),
            mass=_mean(masses[np.isin(mine, rows)]),
            area=_mean(np.asarray(areas, dtype=np.float64)[rows]),
            masses=masses,
        )
    return found


def _excess(
    maps: NDArray[np.float32],
    places: NDArray[np.float32],
    rows: NDArray[np.int64],
    others: Sequence[_Profile],
    seed: int,
) -> Estimate:
    """The mean of mass minus expectation over ``rows``, with interval and p."""
    if len(rows) < MIN_PHOTOS or not others:
        return UNKNOWN
    own = places[rows].astype(np.float64)
    expected = own @ np.mean([other.mean for other in others], axis=0)
    excess = (maps[rows] * own).sum(1) - expected
    centre, spread = excess.mean(), excess.var(ddof=1) / len(rows)
    usual = own.mean(0)
    unsure = sum(_variance(maps[other.rows] @ usual) for other in others) / len(others) ** 2
    wider = math.sqrt(1 + unsure / spread) if spread > 0 else 1.0
    return paired(centre + (excess - centre) * wider, seed=seed)


def _variance(values: NDArray[np.float64]) -> float:
    """The variance of the mean of ``values``; 0 for a single one, of which nothing is known."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else math.nan


def attended_table(
    survey: SurveyTables,
    cue: str,
    maps: Sequence[Shares],
    names: Sequence[str],
    grid: tuple[int, int],
    seed: int,
) -> pa.Table:
    """The rows of ATTENTION of ``cue``; none for a property of the whole photo.

    Args:
        survey: what was read of every cue.
        cue: its key.
        maps: heatmaps of the cases of the survey, by method and target kind.
        names: of the classes, in the order of the rows; those without photos are left out.
        grid: (h, w) of the heatmaps.
        seed: of the sign flips.
    """
    regions, areas = survey.regions(cue, grid), survey.readings[cue].areas
    if regions is None:
        return ATTENTION.empty_table()
    present, (places, classes) = survey.present(names), survey.cases
    rows = []
    for of in maps:
        found = attention(
            of.maps, regions[places], areas[places], classes, classes=present, seed=seed
        )
        for name, one in found.items():
            numbers = {**vars(one.estimate), "mass": one.mass, "area": one.area}
            row = {key: None if np.isnan(value) else value for key, value in numbers.items()}
            row |= {"cue": cue, "class_name": name, "method": of.method, "target_kind": of.kind}
            row["masses"] = pa.array(one.masses, pa.float32(), from_pandas=True)
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=ATTENTION)
