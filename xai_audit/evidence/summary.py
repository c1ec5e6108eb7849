"""Tables over all photos and classes: accuracy that depends on each cue, photos of the survey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.evidence.columns import CONFUSION, CUES, PHOTOS, WRONG
from xai_audit.evidence.plan import OTHERS, shown
from xai_audit.schema import DISCOVERED, PULL, RELIANCE, SUMMARY, TRANSPLANTS, WHOLE
from xai_audit.statistics.intervals import difference_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.evidence.heatmaps import Predictions
    from xai_audit.types import Cue

CLASS_WIDE = (RELIANCE, PULL, WHOLE)


def photo_table(
    hashes: Mapping[str, int],
    class_of: Mapping[str, str],
    group_of: Mapping[str, str | None],
    seen: Predictions,
) -> pa.Table:
    """The photos of the survey in PHOTOS, with WRONG where they have several labels.

    Args:
        hashes: image id -> perceptual hash, in the order of the survey.
        class_of: image id -> class.
        group_of: image id -> the dataset's own group; None or absent where it has none.
        seen: what the model says of them; a photo of which it says nothing is taken as wrong.
    """
    # Loads torch; verdicts need this module too.
    from xai_audit.evidence.heatmaps import WrongDecisions
    from xai_audit.evidence.near import clusters, near_groups

    ids, near = list(hashes), near_groups(list(hashes.values()))
    columns = {
        "image_id": ids,
        "class_name": [class_of[one] for one in ids],
        "near_group": near,
        "cluster": clusters(near, [group_of.get(one) for one in ids]),
        "correct": [seen.correct.get(one, False) for one in ids],
    }
    table = pa.table(columns, schema=PHOTOS)
    if not isinstance(seen, WrongDecisions):
        return table
    return table.append_column(WRONG, pa.array([seen.wrong[one] for one in ids], WRONG.type))


def confusion_table(confusion: Mapping[str, Mapping[str, float]]) -> pa.Table:
    """How many photos of each class are predicted as each other class, in CONFUSION."""
    rows = [
        {"class_name": name, "other_class": other, "photos": photos}
        for name, others in sorted(confusion.items())
        for other, photos in sorted(others.items())
    ]
    return pa.Table.from_pylist(rows, schema=CONFUSION)


def cue_table(cues: Mapping[str, Cue]) -> pa.Table:
    """The cues of the survey in CUES, in its order."""
    rows = [{"cue": key, "way": cue.way, "needs_mask": cue.needs_mask} for key, cue in cues.items()]
    return pa.Table.from_pylist(rows, schema=CUES)


def transplant_frame(files: Sequence[Path]) -> pd.DataFrame:
    """The rows of some parts of ``transplants/``."""
    tables = [table for file in files if (table := pq.read_table(file)).num_rows]
    frame: pd.DataFrame = pa.concat_tables([TRANSPLANTS.empty_table(), *tables]).to_pandas()
    return frame


def typical_effects(effects: Sequence[Path]) -> dict[tuple[str, str], float]:
    """(class, key of its cue) -> the largest of reliance, pull and whole; absent where unknown.

    Args:
        effects: files of EFFECTS.
    """
    found = {}
    for file in effects:
        for row in pq.read_table(file, columns=["class_name", "cue", *CLASS_WIDE]).to_pylist():
            known = [row[name] for name in CLASS_WIDE if row[name] is not None]
            if known:
                found[row["class_name"], row["cue"]] = max(known)
    return found


def summary_table(transplants: pd.DataFrame, effects: Sequence[Path]) -> pa.Table:
    """How much accuracy depends on each cue, in SUMMARY, the largest gap first.

    Discovered regions are left out: ``cluster_1`` of one class is another region than that of the
    next.

    Args:
        transplants: the measured pairs.
        effects: files of EFFECTS, which hold whether a cell was measured on its own class's photos.
    """
    plain = transplants[~transplants["cue"].str.startswith(DISCOVERED)]
    on_others = {
        (row["class_name"], shown(row["cue"]))
        for file in effects
        for row in pq.read_table(file, columns=["class_name", "cue", "measured_on"]).to_pylist()
        if row["measured_on"] == OTHERS
    }
    rows: list[dict[str, Any]] = []
    for cue, found in plain.groupby("cue"):
        moved = [(str(name), str(cue)) in on_others for name in found["class_name"]]
        images = _by_image(found, np.array(moved, dtype=bool))
        if images.empty:
            continue
        gaps = images["with"] - images["without"]
        low, high = difference_interval(gaps.to_numpy(np.float64))
        by_class = gaps.groupby(images["image_class"]).mean()
        rows.append(
            {
                "cue": str(cue),
                "n_images": len(gaps),
                "accuracy_with": float(images["with"].mean()),
                "accuracy_without": float(images["without"].mean()),
                "gap": float(gaps.mean()),
                "gap_low": low,
                "gap_high": high,
                "worst_class": str(by_class.idxmax()),
                "worst_gap": float(by_class.max()),
            }
        )
    rows.sort(key=lambda row: -float(row["gap"]))
    return pa.Table.from_pylist(rows, schema=SUMMARY)


def _by_image(found: pd.DataFrame, on_others: NDArray[np.bool_]) -> pd.DataFrame:
    """Accuracy of each image ``with`` its own class's cue and ``without`` (with another's).

    Args:
        found: the pairs of one cue.
        on_others: (n,) whether a pair is of a cell that is measured on other classes' photos; there
            the donor "without" has the cue of the photo's own class.
    """
    own = found[(found["question"] == RELIANCE) & ~on_others]
    others = found[(found["question"] == PULL) & on_others]
    given = pd.DataFrame(
        {
            "image_id": [*own["image_id"], *others["image_id"]],
            "image_class": [*own["image_class"], *others["image_class"]],
            "with": [*own["correct_with"], *others["correct_without"]],
            "without": [*own["correct_without"], *others["correct_with"]],
        }
    ).dropna()
    given[["with", "without"]] = given[["with", "without"]].astype(np.float64)
    return given.groupby(["image_id", "image_class"], as_index=False)[["with", "without"]].mean()
