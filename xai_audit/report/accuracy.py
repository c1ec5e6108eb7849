"""How often the model is right: on the photos as they are, and by the object alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.report.decided import decided
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import kinds_of_run, of_kinds
from xai_audit.statistics.shares import wilson_interval

if TYPE_CHECKING:
    import pandas as pd

    from xai_audit.run.reader import Run

# The cue whose content is everything but the object.
_ALL_BUT_OBJECT = "background"


@dataclass(frozen=True)
class Share:
    """A share of photos, with its 95 % interval (Wilson).

    Attributes:
        value: 0..1.
        low: of its interval.
        high: of its interval.
        n: photos.
        lowest: the class with the lowest share and that share; None where not known by class.
    """

    value: float
    low: float
    high: float
    n: int
    lowest: tuple[str, float] | None = None

    @classmethod
    def of(cls, value: float, n: int, lowest: tuple[str, float] | None = None) -> Share:
        """The share ``value`` of ``n`` photos."""
        return cls(value, *wilson_interval(value, n), n, lowest)


def predictions(run: Run) -> pd.DataFrame | None:
    """``image_id``, ``class_name`` and ``right`` of each photo with a label; None: not known.

    Of photos with several labels a row for each of them: whether the photo is decided for it.

    Raises:
        OutputError: the scores are broken.
    """
    if not run.finished("score") or not run.has("scores"):  # there may be scores of other photos
        return None
    kinds = kinds_of_run(run)
    one = of_kinds(dict([*kinds.items()][:1]))  # predictions are the same whatever the method
    rows = run.collect("scores", ["image_id", "class_name", "label", "pred"], one)
    rows = rows[rows["label"].ge(0) & rows["pred"].notna()]
    rows = rows.drop_duplicates(["image_id", "class_name"])
    return rows.assign(right=rows["label"] == rows["pred"])[["image_id", "class_name", "right"]]


def accuracy(run: Run) -> Share | None:
    """The share of photos whose predicted class is their own; None where not known.

    Of photos with several labels it is the share of right decisions. Those of one photo are not
    independent, so that its interval counts photos.
    """
    if run.finished("score") and (several := decided(run)) is not None:
        return Share.of(several.share, several.photos, several.lowest)
    rows = predictions(run)
    if rows is None or rows.empty:
        return None
    by_class = rows.groupby("class_name")["right"].mean()
    lowest = (str(by_class.idxmin()), float(by_class.min())) if len(by_class) else None
    return Share.of(float(rows["right"].mean()), len(rows), lowest)


def core_accuracy(run: Run) -> Share | None:
    """Accuracy by the object alone, all else from photos of other classes; None: not measured.

    Of a photo with several donors it is the mean over these.
    """
    rows = rows_of(run.summary) if run.has("summary") else []
    found = next((row for row in rows if row["cue"] == _ALL_BUT_OBJECT), None)
    if found is None or found["accuracy_without"] is None or not found["n_images"]:
        return None
    lowest = None
    if run.has("evidence"):
        known = run.evidence.dropna(subset=["core_accuracy"])
        by_class = known.groupby("class_name")["core_accuracy"].first()
        lowest = (str(by_class.idxmin()), float(by_class.min())) if len(by_class) else None
    return Share.of(float(found["accuracy_without"]), int(found["n_images"]), lowest)
