"""What two runs decided of each photo, or of a photo and a class where photos have several labels.

Such a photo and class is a case: the rows of a table about photos then have both in their index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from xai_audit.report.facts import read_facts
from xai_audit.run.files import rows_of
from xai_audit.run.labelling import labels_of
from xai_audit.run.verdicts import kinds_of_run, of_kinds
from xai_audit.schema import DISAGREEMENTS

if TYPE_CHECKING:
    from xai_audit.compare.shared import Shared, Side

_CASE = ["image_id", "class_name"]
_INDEX = ["image_id", "of"]  # the names of the levels; class_name is a column as well


def keyed(side: Side, rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` by ``image_id``, or by photo and class where photos have several labels; each once.

    The column ``class_name`` stays.
    """
    levels = len(_CASE) if side.several_labels else 1
    rows = rows.drop_duplicates(_CASE[:levels])
    found = rows.set_index([rows[key] for key in _CASE[:levels]]).drop(columns="image_id")
    return found.rename_axis(_INDEX[:levels])


def photos_of(rows: pd.DataFrame | pd.Series) -> pd.Index:
    """The image id of each of the rows of :func:`keyed`."""
    return rows.index.get_level_values("image_id")


def in_both(before: pd.DataFrame, after: pd.DataFrame, common: Shared) -> pd.DataFrame:
    """The rows of shared photos that both have, the reference's columns with a suffix."""
    before = before[photos_of(before).isin(common.photos)]
    return before.add_suffix("_reference").join(after, how="inner")


def predictions(side: Side) -> pd.DataFrame:
    """As :func:`keyed`: ``class_name``, ``pred`` (a class), ``right``, ``confidence``.

    Of photos with several labels there is a row for every photo and class, and ``pred`` says
    whether it is decided for: ``effusion`` or ``no effusion``; its confidence is known of labels
    and of what is wrongly decided for.
    """
    kinds = dict([*kinds_of_run(side.run).items()][:1])  # the same whatever the method
    columns = ["image_id", "class_name", "label", "pred", "confidence"]
    if side.several_labels:
        rows = side.run.collect("scores", columns, ds.field("method").isin([*kinds]))
        return _decisions(side, keyed(side, rows))
    rows = side.run.collect("scores", columns, of_kinds(kinds))
    rows = rows[rows["label"].ge(0) & rows["pred"].notna()]
    facts = read_facts(side.run)
    names = {number: facts.class_of(number) for number in rows["pred"].unique()}
    right = rows["label"] == rows["pred"]
    return keyed(side, rows.assign(pred=rows["pred"].map(names), right=right))


def _decisions(side: Side, known: pd.DataFrame) -> pd.DataFrame:
    """A row for every photo and class: the score table has all labels and all wrong decisions.

    A photo with scores that are not finite is decided for nothing.
    """
    sets = side.photos["class_name"]
    names = side.run.decisions["class_name"].tolist()
    cases = pd.MultiIndex.from_product([sets.index, names], names=_INDEX)
    classes = cases.get_level_values("of")
    holds = {one: np.isin(names, labels_of(one)) for one in sets.unique()}
    has = np.concatenate([holds[one] for one in sets]) if len(sets) else np.zeros(0, bool)
    wrong = cases.isin(known.index[known["label"] != known["pred"]])
    pred = np.where(has != wrong, classes, "no " + classes)
    return pd.DataFrame(
        {
            **{"class_name": classes, "pred": pred, "right": ~wrong},
            "confidence": known["confidence"].reindex(cases).to_numpy(),
        },
        index=cases,
    )


def disagreements(reference: Side, other: Side, common: Shared) -> list[dict[str, Any]]:
    """The columns of DISAGREEMENTS, what the run predicts surest first."""
    both = in_both(predictions(reference), predictions(other), common)
    rows = both[both["pred_reference"] != both["pred"]]
    rows = rows.assign(run=other.name, image_id=photos_of(rows)).reset_index(drop=True)
    rows = rows.sort_values(["confidence", *_CASE], ascending=[False, True, True])
    return rows_of(rows[DISAGREEMENTS.names])
