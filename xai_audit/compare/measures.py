"""Accuracy, core accuracy, masses and heatmaps of the photos that two runs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from xai_audit.agreement.compare import Maps, correlations
from xai_audit.compare.decided import in_both, keyed, photos_of, predictions
from xai_audit.compare.difference import IMAGES, UNPAIRED, unpaired
from xai_audit.compare.shared import joined
from xai_audit.run.labelling import labels_of
from xai_audit.run.sample import per_class
from xai_audit.run.verdicts import kinds_of_run, of_kinds
from xai_audit.schema import REGIONS, RELIANCE
from xai_audit.statistics.intervals import difference_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from xai_audit.compare.shared import Shared, Side

ACCURACY, CORE, SIMILARITY = "accuracy", "core_accuracy", "rank_correlation"
_ENDS = ("", "_low", "_high")
_MASSES = [f"mass_{region}" for region in REGIONS]
# Photos of a class whose heatmaps are compared, and how many are read at once.
_MAPS, _TOGETHER = 100, 2048
Columns = dict[str, Any]


def methods_of(reference: Side, other: Side) -> dict[tuple[str, str], tuple[str, str]]:
    """Methods whose maps are compared, of the reference and the run -> their target kinds.

    Those that both have; where there is none, the first of each.
    """
    before, after = (kinds_of_run(side.run) for side in (reference, other))
    both = [(name, name) for name in before if name in after]
    if not both and before and after:
        both = [(next(iter(before)), next(iter(after)))]
    return {(one, two): (before[one], after[two]) for one, two in both}


def measure_rows(reference: Side, other: Side, common: Shared) -> Iterator[Columns]:
    """The columns of MEASURES, of all photos and of each class that both runs have.

    Raises:
        OutputError: a table is missing or broken.
    """
    sides = (reference, other)
    means = _Means(common, joined(reference.clusters, other.clusters))
    values = [predictions(side).rename(columns={"right": "value"}) for side in sides]
    found = [*means.rows(ACCURACY, None, *values)]
    found += means.rows(CORE, None, *(_cores(side) for side in sides))
    for (one, two), kinds in methods_of(reference, other).items():
        name, methods = (one if one == two else f"{one}, {two}"), (one, two)
        before, after = (_masses(*each) for each in zip(sides, methods, kinds, strict=True))
        for column in _MASSES:
            named = {column: "value"}
            values = [one.rename(columns=named) for one in (before, after)]
            found += means.rows(column, name, *values)
        similar = _similar(sides, methods, kinds, common)
        found += [row | {"method": name} for row in similar]
    yield from ({"run": other.name, **row} for row in found)


@dataclass(frozen=True)
class _Means:
    """Means of a value of the photos of each class, in two runs.

    Attributes:
        common: what the runs share.
        clusters: image id -> number of its cluster.
    """

    common: Shared
    clusters: Mapping[str, int]

    def rows(
        self, measure: str, method: str | None, before: pd.DataFrame, after: pd.DataFrame
    ) -> Iterator[Columns]:
        """A row for all classes and each: photo by photo where photos are shared, else unpaired.

        Args:
            measure: what the value is.
            method: of attribution, or None.
            before: the reference's, by photo or case: ``class_name`` and ``value``.
            after: the run's.
        """
        one, two = (each[["class_name", "value"]].dropna() for each in (before, after))
        both = in_both(one, two, self.common)
        if len(both):
            one = both[["class_name", "value_reference"]].set_axis(["class_name", "value"], axis=1)
            two = both[["class_name", "value"]]
        was, now = (
            {str(k): v for k, v in each.groupby("class_name")["value"]} for each in (one, two)
        )
        sides = [
            (name, was[name], now[name])
            for name in self.common.classes
            if name in was and name in now
        ]
        if len(one) and len(two):
            sides.insert(0, ("", one["value"], two["value"]))
        for name, first, second in sides:
            yield {
                **{"class_name": name, "measure": measure, "method": method},
                "compared": IMAGES if len(both) else UNPAIRED,
                "n_images": photos_of(second).nunique(),
                **self._estimates(first, second, is_paired=bool(len(both))),
            }

    def _estimates(self, before: pd.Series, after: pd.Series, *, is_paired: bool) -> Columns:
        """Both means and their difference, each with its interval."""
        sets = [
            (one.to_numpy(np.float64), clusters_of(photos_of(one), self.clusters))
            for one in (before, after)
        ]
        (was, own), (now, others) = sets
        if is_paired:
            value, ends = float((now - was).mean()), difference_interval(now - was, own)
        else:
            change = unpaired(was, own, now, others)
            value, ends = float(now.mean() - was.mean()), (change.low, change.high)
        return {
            **_named("reference", float(was.mean()), *difference_interval(was, own)),
            **_named("value", float(now.mean()), *difference_interval(now, others)),
            **_named("difference", value, *ends),
        }


def _named(name: str, *ends: float) -> Columns:
    return {f"{name}{end}": value for end, value in zip(_ENDS, ends, strict=True)}


def clusters_of(ids: Iterable[str], clusters: Mapping[str, int]) -> NDArray[np.int64] | None:
    """(n, 1) clusters of photos; None where each is its own. One that is not known is its own."""
    found, _ = pd.factorize(np.array([str(clusters.get(one, one)) for one in ids], object))
    return found[:, None] if len(found) and found.max() + 1 < len(found) else None


def _cores(side: Side) -> pd.DataFrame:
    """By photo, or case, whether it is right with all but its object from other classes."""
    columns = ["image_id", "class_name", "correct_without"]
    where = (ds.field("cue") == "background") & (ds.field("question") == RELIANCE)
    rows = side.run.collect("transplants", columns, where & ds.field("given").is_null())
    rows = rows.dropna(subset=["correct_without"])
    rows = keyed(side, rows.assign(value=rows["correct_without"].astype(float)))
    return rows[["class_name", "value"]]


def _masses(side: Side, method: str, kind: str) -> pd.DataFrame:
    """By photo, or case, the mass in each region; NaN where undefined."""
    columns = ["image_id", "class_name", *_MASSES]
    return keyed(side, side.run.collect("scores", columns, of_kinds({method: kind})))


def _similar(
    sides: tuple[Side, Side], methods: tuple[str, str], kinds: tuple[str, str], common: Shared
) -> Iterator[Columns]:
    """Spearman's correlation of both runs' maps of a photo, on the coarser grid, and its mean.

    Of at most 100 photos a class, some at a time, so that memory does not grow with the data set.
    """
    if not all(side.run.has("attributions") for side in sides):
        return
    cases, found = _sample(sides[0], common), []
    for start in range(0, len(cases), _TOGETHER):
        some = cases.iloc[start : start + _TOGETHER]
        ids = [*some["image_id"].unique()]
        maps = [
            Maps(_heatmaps(side, method, kind, ids))
            for side, method, kind in zip(sides, methods, kinds, strict=True)
        ]
        keys = [*zip(some["image_id"], some["key"], strict=True)]
        both = np.array([all(key in each.place for each in maps) for key in keys], bool)
        shown = [key for key, known in zip(keys, both, strict=True) if known]
        places = [np.array([each.place[key] for key in shown], int) for each in maps]
        rho = correlations(maps[0], places[0], maps[1], places[1])
        found.append(some[["image_id", "class_name"]][both].assign(rho=rho))
    known = pd.concat(found).dropna() if found else pd.DataFrame()
    for name in ("", *common.classes) if len(known) else ():
        own = known[known["class_name"] == name] if name else known
        if len(own):
            values = own["rho"].to_numpy(np.float64)
            # Of values in -1..1, as differences are.
            ends = difference_interval(values, clusters_of(own["image_id"], {}))
            count = {"n_images": own["image_id"].nunique()}
            row = {"class_name": name, "measure": SIMILARITY, "compared": IMAGES}
            yield row | count | _named("value", float(values.mean()), *ends)


def _sample(side: Side, common: Shared) -> pd.DataFrame:
    """Photos whose heatmaps are compared: ``image_id``, ``class_name`` and the ``key`` of its map.

    The key is the class where photos have several labels, and "" where they have one: then it does
    not matter in which class each side has a photo.
    """
    photos = side.photos[["class_name"]].reset_index()
    photos = photos[photos["image_id"].isin(common.photos)]
    if side.several_labels:
        photos = photos.assign(class_name=photos["class_name"].map(labels_of)).explode("class_name")
    cases = per_class([photos], _MAPS, 0).sort_values(["image_id", "class_name"])
    return cases.assign(key=cases["class_name"] if side.several_labels else "")


def _heatmaps(side: Side, method: str, kind: str, ids: list[str]) -> pd.DataFrame:
    """The stored heatmaps of some photos; ``class_name`` is the key of :func:`_sample`."""
    columns = ["image_id", "class_name", "heatmap", "heatmap_height", "heatmap_width"]
    frames = [*side.run.scan("attributions", columns, of_kinds({method: kind}), ids=ids)]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    if not side.several_labels:
        rows["class_name"] = ""
    return rows.drop_duplicates(["image_id", "class_name"], ignore_index=True)
