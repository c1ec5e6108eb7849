"""Availability of one cue for every class, and accuracy where the cue agrees with the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xai_audit.evidence.availability import availability
from xai_audit.evidence.columns import AVAILABILITY
from xai_audit.evidence.harm import harm
from xai_audit.statistics.estimate import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.evidence.readings import SurveyTables


def offered_table(
    survey: SurveyTables, cue: str, names: Sequence[str], *, permutations: int, seed: int
) -> pa.Table:
    """The rows of AVAILABILITY of ``cue``, a class each; none where no photo has descriptors.

    Args:
        survey: what was read of every cue.
        cue: its key.
        names: of the classes, in the order of the rows; those without photos are left out.
        permutations: of the labels, for the p-value.
        seed: of folds and permutations.
    """
    descriptors = survey.descriptors(cue)
    if descriptors is None:
        return AVAILABILITY.empty_table()
    classes = survey.classes
    present = [name for name in names if (classes == name).any()]
    near = survey.photos.column("near_group").to_numpy()
    correct = survey.photos.column("correct").to_numpy()
    found = availability(
        descriptors, classes, near, classes=present, permutations=permutations, seed=seed
    )
    rows = []
    for column, name in enumerate(present):
        presence = found.presence[:, column]
        sides = harm(presence, classes == name, correct)
        estimate = found.estimates.get(name, UNKNOWN)
        numbers = {
            "value": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "p": estimate.p,
            "accuracy_agree": sides.agree,
            "accuracy_disagree": sides.disagree,
        }
        row = {name: None if np.isnan(value) else value for name, value in numbers.items()}
        row |= {"n_agree": sides.n_agree, "n_disagree": sides.n_disagree}
        rows.append(row | {"cue": cue, "class_name": name, "presence": presence})
    return pa.Table.from_pylist(rows, schema=AVAILABILITY)
