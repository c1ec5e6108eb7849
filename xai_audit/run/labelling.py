"""Photos with several labels: their set as one text, and the set as one class sees it.

In a multi-label data set a photo's ``class_name`` in the manifest is the set of its labels. Tables
by class name one of them. Seen from one class, photos are of it or of a set that lacks it: that is
a partition, so that whatever holds of single labels (donors are of another class, a pull is on
photos of another class) holds of every class of a multi-label data set.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from xai_audit.run.reader import Run

# Joins the labels of a photo; no class of a multi-label data set has it in its name.
SEPARATOR = "|"
# The set of a photo without any label; no class's name.
NO_LABEL = "no label"


def joined(labels: Iterable[str]) -> str:
    """The text of a set of labels: sorted, each once; :data:`NO_LABEL` of none."""
    return SEPARATOR.join(sorted({*labels})) or NO_LABEL


def labels_of(class_name: str) -> tuple[str, ...]:
    """The labels in the text of their set."""
    return () if class_name == NO_LABEL else tuple(class_name.split(SEPARATOR))


def seen_from(name: str, sets: NDArray[np.str_]) -> NDArray[np.str_]:
    """(n,) ``name`` where a photo's set has it, else the set.

    Args:
        name: of a class.
        sets: (n,) the text of each photo's labels.
    """
    holds = {one: name in labels_of(one) for one in np.unique(sets).tolist()}
    return np.array([name if holds[one] else one for one in sets.tolist()], dtype=str)


def names_of(classes: NDArray[np.str_], first: str) -> list[str]:
    """The different ``classes``, ``first`` before the others."""
    return [first, *sorted({*classes.tolist()} - {first})]


def label_each(sets: Iterable[str]) -> list[str]:
    """Of each photo the label of its own that fewest got before; :data:`NO_LABEL` of none."""
    taken: Counter[str] = Counter()
    names = []
    for text in sets:
        name = min(labels_of(text) or (NO_LABEL,), key=taken.__getitem__)
        taken[name] += 1
        names.append(name)
    return names


def one_label_each(rows: pa.Table, labels: Mapping[str, int]) -> pa.Table:
    """``rows`` of a manifest, those without a label left out, of each photo one of its labels.

    Args:
        rows: of a multi-label data set.
        labels: class name -> model output index.
    """
    names = label_each(rows.column("class_name").to_pylist())
    found = {"class_name": names, "label": [labels.get(name) for name in names]}
    for name, values in found.items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(
            place, rows.schema.field(place), pa.array(values, rows.schema.types[place])
        )
    return rows.filter(pc.not_equal(rows.column("class_name"), NO_LABEL)).combine_chunks()


def check_one_label(run: Run, why: str) -> None:
    """Refuse what only photos of one label can have.

    Raises:
        OutputError: the photos of ``run`` have several: that they ``why``.
    """
    if run.has("decisions"):
        raise OutputError(
            f"photos with several labels {why}",
            where=run.root,
            expected="a data set of one label a photo",
            remedy="the tables of the run, run.scores among them, have a row a photo and label",
        )
