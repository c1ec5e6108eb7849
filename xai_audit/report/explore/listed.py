"""The scored photos in the order of the explore page, with their classes and predictions.

Where photos have several labels, a row is a photo and a class: each of its labels, and each class
that it is wrongly decided for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xai_audit.language import say
from xai_audit.schema import ABSENT, SCORES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
_BETWEEN = " \N{MIDDLE DOT} "


@dataclass(frozen=True)
class Listed:
    """All scored photos, one a row, and what is measured of each.

    Attributes:
        ids: (n,) image ids in the order in which JavaScript compares text; of photos with several
            labels with the class.
        images: (n,) image ids.
        names: of classes and of outputs that are no class; the first ``n_classes`` are classes.
        n_classes: of the photos.
        several_labels: whether photos may have several.
        class_of: (n,) number of the class.
        label_of: (n,) number of the name of what is true: the class, or that it lacks the class.
        pred_of: (n,) number of the prediction's name, -1 where unknown.
        right: (n,) WRONG, RIGHT or UNKNOWN.
        confidence: (n,) float32, of the prediction; NaN where unknown.
        sets: the methods and target kinds, as the run has them.
        scores: (sets, len(MEASURED), n) float32; NaN where undefined.
    """

    ids: pd.Index
    images: pd.Index
    names: tuple[str, ...]
    n_classes: int
    several_labels: bool
    class_of: NDArray[np.int32]
    label_of: NDArray[np.int32]
    pred_of: NDArray[np.int32]
    right: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    sets: tuple[tuple[str, str], ...]
    scores: NDArray[np.float32]

    def rows_of(
        self, image_ids: Iterable[str], class_names: Iterable[str] | None = None
    ) -> NDArray[np.intp]:
        """The row of each photo, -1 where it has none.

        Of photos with several labels the row of the class; where none is named, the photo's first.
        """
        images = pd.Index([*image_ids], dtype=object)
        if not self.several_labels:
            return np.asarray(self.ids.get_indexer(images))
        if class_names is None:
            return self._first.reindex(images, fill_value=-1).to_numpy(np.intp)
        return np.asarray(self.ids.get_indexer(case_ids(images, class_names)))

    def class_if_several(self, row: int) -> str | None:
        """The class that ``row`` is about, of photos with several labels; else None."""
        return self.names[self.class_of[row]] if self.several_labels else None

    @cached_property
    def _first(self) -> pd.Series:
        """Image id -> its first row."""
        rows = pd.Series(np.arange(len(self.images)), index=self.images)
        return rows[~rows.index.duplicated()]


def case_ids(images: Iterable[str], class_names: Iterable[str]) -> pd.Index:
    """The ids of rows about a photo and a class: ``chest.png · effusion``."""
    cases = zip(images, class_names, strict=True)
    return pd.Index([image + _BETWEEN + name for image, name in cases], dtype=object)


def in_order(image_ids: Iterable[str]) -> list[str]:
    """``image_ids``, each once, by UTF-16 code units: the page looks them up by halving."""
    return sorted({*image_ids}, key=lambda text: text.encode("utf-16-be", "surrogatepass"))


def read_listed(run: Run, facts: RunFacts) -> Listed:
    """The scored photos of ``run``; read part by part, numbers alone stay in memory.

    Raises:
        OutputError: the scores are missing or broken.
    """
    ids, classes, outputs, found = (
        dict[str, str](),
        set[str](),
        set[float](),
        set[tuple[str, str]](),
    )
    several = run.has("decisions")
    for frame in _frames(run, [*_ROW], several):
        ids |= dict(zip(frame["id"], frame["image_id"], strict=True))
        classes |= {*frame["class_name"].unique()}
        outputs |= {*frame["pred"].dropna().unique()} - {ABSENT}
        kinds = frame[["method", "target_kind"]].fillna("").drop_duplicates()
        found |= {*kinds.itertuples(index=False, name=None)}
    methods = facts.methods_first(method for method, _ in found)
    sets = tuple(sorted(found, key=lambda one: (methods.index(one[0]), one[1])))
    order = facts.classes_first(classes)
    names = [*order, *sorted({facts.class_of(output) for output in outputs} - classes)]
    if several:
        names += [say("no {name}", name=name) for name in order]
    keys = in_order(ids)
    count, index = len(keys), pd.Index(keys, dtype=object)
    listed = Listed(
        ids=index,
        images=pd.Index([ids[key] for key in keys], dtype=object) if several else index,
        names=tuple(names),
        n_classes=len(order),
        several_labels=several,
        class_of=np.zeros(count, np.int32),
        label_of=np.zeros(count, np.int32),
        pred_of=np.full(count, -1, np.int32),
        right=np.full(count, UNKNOWN, np.uint8),
        confidence=np.full(count, np.nan, np.float32),
        sets=sets,
        scores=np.full((len(sets), len(MEASURED), count), np.nan, np.float32),
    )
    _fill(listed, run, facts)
    return listed


def _frames(run: Run, columns: list[str], several: bool) -> Iterator[pd.DataFrame]:
    """The scores part by part, with the ``id`` of each row.

    Of photos with several labels the target is always the class of the row, whatever its kind.
    """
    for frame in run.scan("scores", columns):
        frame["class_name"] = frame["class_name"].fillna("?")
        frame["id"] = frame["image_id"]
        if several:
            frame["id"] = case_ids(frame["image_id"], frame["class_name"])
            frame["target_kind"] = "label"
        yield frame


def _fill(listed: Listed, run: Run, facts: RunFacts) -> None:
    """The second reading: every number at its place."""
    place = {name: number for number, name in enumerate(listed.names)}
    lacks = {
        name: place.get(say("no {name}", name=name), -1)
        for name in listed.names[: listed.n_classes]
    }
    for frame in _frames(run, [*_ROW, *MEASURED], listed.several_labels):
        rows = np.asarray(listed.ids.get_indexer(pd.Index(frame["id"], dtype=object)))
        listed.class_of[rows] = frame["class_name"].map(place)
        pred, label = frame["pred"].to_numpy(float), frame["label"].to_numpy(float)
        outputs = {
            output: place[facts.class_of(output)] for output in {*pred[~np.isnan(pred)]} - {ABSENT}
        }
        absent = frame["class_name"].map(lacks).to_numpy(np.int32)
        named = np.array([outputs.get(output, -1) for output in pred], np.int32)
        listed.pred_of[rows] = np.where(pred == ABSENT, absent, named)
        listed.label_of[rows] = np.where(label == ABSENT, absent, listed.class_of[rows])
        known = ~np.isnan(pred) & ((label >= 0) | (label == ABSENT))
        listed.right[rows] = np.where(known, pred == label, UNKNOWN)
        listed.confidence[rows] = frame["confidence"].to_numpy(float)
        measured = frame[MEASURED].astype("float32").to_numpy()
        given = list(zip(frame["method"].fillna(""), frame["target_kind"].fillna(""), strict=True))
        number = np.array([listed.sets.index(one) for one in given], np.intp)
        for one in np.unique(number):
            listed.scores[one][:, rows[number == one]] = measured[number == one].T
