"""The scored photos in the order of the explore page, with their classes and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xai_audit.schema import SCORES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from xai_audit.report.facts import RunFacts
    from xai_audit.run.reader import Run

_ROW = ("image_id", "class_name", "label", "pred", "confidence", "method", "target_kind")
# What is measured of a photo by a method for a target, of any type that is a number.
MEASURED = [
    *("relevance_total", *(name for name in SCORES.names if name.startswith("mass_"))),
    *(name for name in SCORES.names if name.startswith("lift_")),
    *("rank_accuracy", "pointing_hit", "entropy"),
]
WRONG, RIGHT, UNKNOWN = 0, 1, 2


@dataclass(frozen=True)
class Listed:
    """All scored photos, one a row, and what is measured of each.

    Attributes:
        ids: (n,) image ids in the order in which JavaScript compares text.
        names: of classes and of outputs that are no class; the first ``n_classes`` are classes.
        n_classes: of the photos.
        class_of: (n,) number of the class.
        pred_of: (n,) number of the prediction's name, -1 where unknown.
        right: (n,) WRONG, RIGHT or UNKNOWN.
        confidence: (n,) float32, of the prediction; NaN where unknown.
        sets: the methods and target kinds, as the run has them.
        scores: (sets, len(MEASURED), n) float32; NaN where undefined.
    """

    ids: pd.Index
    names: tuple[str, ...]
    n_classes: int
    class_of: NDArray[np.int32]
    pred_of: NDArray[np.int32]
    right: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    sets: tuple[tuple[str, str], ...]
    scores: NDArray[np.float32]

    def rows_of(self, image_ids: Iterable[str]) -> NDArray[np.intp]:
        """The row of each photo, -1 where it has none."""
        return np.asarray(self.ids.get_indexer(pd.Index(image_ids, dtype=object)))


def in_order(image_ids: Iterable[str]) -> list[str]:
    """``image_ids``, each once, by UTF-16 code units: the page looks them up by halving."""
    return sorted({*image_ids}, key=lambda text: text.encode("utf-16-be", "surrogatepass"))


def read_listed(run: Run, facts: RunFacts) -> Listed:
    """The scored photos of ``run``; read part by part, numbers alone stay in memory.

    Raises:
        OutputError: the scores are missing or broken.
    """
    ids, classes, outputs, found = set[str](), set[str](), set[float](), set[tuple[str, str]]()
    for frame in run.scan("scores", ["image_id", "class_name", "pred", "method", "target_kind"]):
        ids |= {*frame["image_id"]}
        classes |= {*frame["class_name"].fillna("?").unique()}
        outputs |= {*frame["pred"].dropna().unique()}
        kinds = frame[["method", "target_kind"]].fillna("").drop_duplicates()
        found |= {*kinds.itertuples(index=False, name=None)}
    methods = facts.methods_first(method for method, _ in found)
    sets = tuple(sorted(found, key=lambda one: (methods.index(one[0]), one[1])))
    order = facts.classes_first(classes)
    names = [*order, *sorted({facts.class_of(output) for output in outputs} - classes)]
    return _filled(run, facts, pd.Index(in_order(ids), dtype=object), names, len(order), sets)


def _filled(
    run: Run,
    facts: RunFacts,
    ids: pd.Index,
    names: list[str],
    n_classes: int,
    sets: tuple[tuple[str, str], ...],
) -> Listed:
    """The second reading: every number at its place."""
    count, place = len(ids), {name: number for number, name in enumerate(names)}
    listed = Listed(
        ids=ids,
        names=tuple(names),
        n_classes=n_classes,
        class_of=np.zeros(count, np.int32),
        pred_of=np.full(count, -1, np.int32),
        right=np.full(count, UNKNOWN, np.uint8),
        confidence=np.full(count, np.nan, np.float32),
        sets=sets,
        scores=np.full((len(sets), len(MEASURED), count), np.nan, np.float32),
    )
    for frame in run.scan("scores", [*_ROW, *MEASURED]):
        rows = listed.rows_of(frame["image_id"])
        listed.class_of[rows] = frame["class_name"].fillna("?").map(place)
        pred, label = frame["pred"].to_numpy(float), frame["label"].to_numpy(float)
        outputs = {output: place[facts.class_of(output)] for output in {*pred[~np.isnan(pred)]}}
        listed.pred_of[rows] = [outputs.get(output, -1) for output in pred]
        known = ~np.isnan(pred) & (label >= 0)
        listed.right[rows] = np.where(known, pred == label, UNKNOWN)
        listed.confidence[rows] = frame["confidence"].to_numpy(float)
        measured = frame[MEASURED].astype("float32").to_numpy()
        given = list(zip(frame["method"].fillna(""), frame["target_kind"].fillna(""), strict=True))
        number = np.array([sets.index(one) for one in given], np.intp)
        for one in np.unique(number):
            listed.scores[one][:, rows[number == one]] = measured[number == one].T
    return listed
