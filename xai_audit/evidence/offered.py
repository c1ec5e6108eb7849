"""What a cue offers every class: its availability, and accuracy where it agrees with the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.evidence.availability import availability
from xai_audit.evidence.columns import AVAILABILITY
from xai_audit.run.labelling import names_of
from xai_audit.run.paths import RunPaths
from xai_audit.schema import ABSENT, GROUPS
from xai_audit.statistics.estimate import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xai_audit.evidence.readings import SurveyTables
    from xai_audit.statistics.estimate import Estimate

_COLUMNS = 64


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
    present = survey.present(names)
    if survey.wrong is None:
        views = [(survey.classes, present, present)]
    else:  # each class against the sets that lack it
        seen = {name: survey.seen_from(name) for name in present}
        views = [(of, [name], names_of(of, name)) for name, of in seen.items()]
    rows = []
    for classes, measured, groups in views:
        found = availability(
            descriptors,
            classes,
            survey.clusters,
            classes=measured,
            permutations=permutations,
            seed=seed,
        )
        likeness = _means(found.presence, survey.readings[cue].usable, classes, groups)
        for column, name in enumerate(measured):
            presence = found.presence[:, column].astype(np.float64)
            sides = harm(presence, classes == name, survey.correct(name))
            row = _row(found.estimates.get(name, UNKNOWN), sides) | {"n_groups": found.groups[name]}
            row |= {"presence": presence[classes == name], "likeness": likeness[:, column]}
            rows.append(row | {"cue": cue, "class_name": name})
    return pa.Table.from_pylist(rows, schema=AVAILABILITY)


def _row(estimate: Estimate, sides: Harm) -> dict[str, Any]:
    """The numbers of a row, None where unknown."""
    numbers = {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "p": estimate.p,
        "accuracy_agree": sides.agree,
        "accuracy_disagree": sides.disagree,
    }
    known = {name: None if np.isnan(value) else value for name, value in numbers.items()}
    return known | {"n_agree": sides.n_agree, "n_disagree": sides.n_disagree}


def _means(
    presence: NDArray[np.float32],
    usable: NDArray[np.bool_],
    classes: NDArray[np.str_],
    names: Sequence[str],
) -> NDArray[np.float64]:
    """The mean (names, K) over each name's usable photos of each class's scores; NaN unknown."""
    mine, found = classes[usable], []
    for at in range(0, presence.shape[1], _COLUMNS):  # of thousands not all in double precision
        scores = pd.DataFrame(presence[usable, at : at + _COLUMNS], dtype=np.float64)
        found.append(scores.groupby(mine).mean().reindex([*names]).to_numpy())
    return np.concatenate(found, axis=1)


@dataclass(frozen=True)
class Harm:
    """Accuracy of one class by its cue; NaN where there is no such photo.

    Attributes:
        agree: accuracy on photos with a cue typical of the class.
        disagree: accuracy on the others.
        n_agree: number of photos with a cue typical of the class.
        n_disagree: number of the others.
    """

    agree: float
    disagree: float
    n_agree: int
    n_disagree: int


def harm(
    presence: NDArray[np.float64], mine: NDArray[np.bool_], correct: NDArray[np.bool_]
) -> Harm:
    """Accuracy of the class's photos with a typical cue, and of those without.

    The threshold is half way between the median presence in the class and that in the others.

    Args:
        presence: (n,) the cue-only classifier's cross-validated score for the class; NaN unknown.
        mine: (n,) whether the photo is of the class.
        correct: (n,) whether the model is right.
    """
    known = ~np.isnan(presence)
    if not (known & mine).any() or not (known & ~mine).any():
        return Harm(float("nan"), float("nan"), 0, 0)
    middle = (np.median(presence[known & mine]) + np.median(presence[known & ~mine])) / 2
    agrees, disagrees = known & mine & (presence >= middle), known & mine & (presence < middle)
    return Harm(
        agree=_mean(correct[agrees]),
        disagree=_mean(correct[disagrees]),
        n_agree=int(agrees.sum()),
        n_disagree=int(disagrees.sum()),
    )


def groups(paths: RunPaths) -> pa.Table:
    """Accuracy by class and the dataset's own column ``group``, in GROUPS; empty without one."""
    manifest = pq.read_table(paths.manifest, columns=["image_id", "group"])
    known = manifest.filter(manifest.column("group").is_valid())
    group_of = dict(zip(*(known.column(n).to_pylist() for n in known.column_names), strict=True))
    counts: dict[tuple[str, str], dict[str, bool]] = {}
    columns = ["image_id", "class_name", "label", "pred"]
    for path in RunPaths.parts(paths.scores) if group_of else ():
        for row in pq.read_table(path, columns=columns).to_pylist():
            group = group_of.get(row["image_id"])
            if group is not None and row["pred"] is not None and row["label"] != ABSENT:
                found = counts.setdefault((row["class_name"], group), {})
                found[row["image_id"]] = row["pred"] == row["label"]
    rows = [
        {
            "class_name": name,
            "group": group,
            "n_images": len(found),
            "accuracy": sum(found.values()) / len(found),
        }
        for (name, group), found in sorted(counts.items())
    ]
    return pa.Table.from_pylist(rows, schema=GROUPS)


def _mean(values: NDArray[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
