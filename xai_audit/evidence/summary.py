"""How much accuracy rests on each cue, over all classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from xai_audit.evidence.plan import OTHERS, PULL, RELIANCE, shown
from xai_audit.evidence.stats import paired
from xai_audit.schema import DISCOVERED, SUMMARY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.evidence.cell_rows import Answers


def summary_table(answers: Answers) -> pa.Table:
    """How much accuracy rests on each cue, in SUMMARY, the largest gap first.

    Discovered regions are left out: ``cluster_1`` of one class is another region than that of the
    next.
    """
    plain = answers.transplants[answers.transplants["beyond"].isna()]
    plain = plain[~plain["cue"].str.startswith(DISCOVERED)]
    on_others = {(c.class_name, shown(c.cue)) for c in answers.cells if c.measured_on == OTHERS}
    rows: list[dict[str, Any]] = []
    for cue, found in plain.groupby("cue"):
        asked = [(str(name), str(cue)) in on_others for name in found["class_name"]]
        images = _by_image(found, np.array(asked, dtype=bool))
        if images.empty:
            continue
        gaps = images["with"] - images["without"]
        by_class = gaps.groupby(images["image_class"]).mean()
        gap = paired(gaps.to_numpy(np.float64), seed=answers.seed)
        rows.append(
            {
                "cue": str(cue),
                "n_images": len(gaps),
                "accuracy_with": float(images["with"].mean()),
                "accuracy_without": float(images["without"].mean()),
                "gap": gap.value,
                "gap_low": gap.low,
                "gap_high": gap.high,
                "worst_class": str(by_class.idxmax()),
                "worst_gap": float(by_class.max()),
            }
        )
    rows.sort(key=lambda row: -float(row["gap"]))
    return pa.Table.from_pylist(rows, schema=SUMMARY)


def _by_image(found: pd.DataFrame, on_others: NDArray[np.bool_]) -> pd.DataFrame:
    """Accuracy of each image ``with`` its own class's cue and ``without``: another's.

    Args:
        found: the pairs of one cue.
        on_others: (n,) whether a pair is of a cell that is measured on others' photos, where it is
            the donor "without" that has the cue of the photo's own class.
    """
    own = found[found["question"] == RELIANCE]
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
