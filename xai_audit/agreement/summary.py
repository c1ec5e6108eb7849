"""Agreement of a class, a pair of methods and a target kind: means with intervals, by sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from xai_audit.run.files import scan
from xai_audit.run.paths import RunPaths
from xai_audit.schema import AGREEMENT, AGREEMENT_IMAGES, REGIONS
from xai_audit.statistics.intervals import student_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BY = ["class_name", "method", "other_method", "target_kind"]
_DIFFERENCE = [f"mass_difference_{region}" for region in REGIONS]
# The columns that have an interval, with their smallest and largest possible value.
_RANGES = {"rank_correlation": (-1.0, 1.0), "mass_agreement": (0.0, 1.0)}


def agreement_table(paths: RunPaths) -> pa.Table:
    """The table (``schema.AGREEMENT``), one row per class, pair of methods and target kind.

    The class "" is all classes. Sums alone are held, whatever the number of images. Intervals are
    Student's, cut to the possible range.

    Raises:
        OutputError: a part of ``paths.agreement_images`` cannot be read.
    """
    sums: pd.DataFrame | None = None
    for frame in scan(
        RunPaths.parts(paths.agreement_images), AGREEMENT_IMAGES, AGREEMENT_IMAGES.names
    ):
        part = _summands(frame).groupby([frame[name] for name in _BY]).sum()
        sums = part if sums is None else sums.add(part, fill_value=0)
    if sums is None:
        return AGREEMENT.empty_table()
    everything = sums.groupby(level=_BY[1:]).sum()
    everything = pd.concat({"": everything}, names=["class_name"])
    table = _means(pd.concat([everything, sums]).sort_index()).reset_index()
    return pa.Table.from_pandas(table, AGREEMENT, preserve_index=False)


def _summands(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row's terms of the sums; a null adds nothing and is not counted."""
    columns: dict[str, pd.Series] = {"undefined": frame["rank_correlation"].isna()}
    for name in (*_RANGES, *_DIFFERENCE):
        values = frame[name].astype("float64")
        columns[f"n_{name}"], columns[name] = values.notna(), values.fillna(0)
        columns[f"{name}_squared"] = columns[name] ** 2
    return pd.DataFrame(columns).astype("float64")


def _means(sums: pd.DataFrame) -> pd.DataFrame:
    """The table's columns from sums and counts; x/0 is NaN."""
    columns: dict[str, pd.Series | NDArray[np.float64]] = {
        "n_images": sums["n_rank_correlation"].astype("int32"),
        "n_undefined": sums["undefined"].astype("int32"),
    }
    for name in _DIFFERENCE:
        columns[name] = sums[name] / sums[f"n_{name}"].where(sums[f"n_{name}"] > 0)
    for name, (least, most) in _RANGES.items():
        count = sums[f"n_{name}"]
        mean = sums[name] / count.where(count > 0)
        free = (count - 1).where(count > 1)  # one image has no spread
        variance = ((sums[f"{name}_squared"] - count * mean**2) / free).clip(lower=0)
        error = np.sqrt((variance / count).to_numpy(np.float64))
        ends = student_interval(mean.to_numpy(np.float64), error, free.to_numpy(np.float64))
        columns[name] = mean
        columns[f"{name}_low"], columns[f"{name}_high"] = (end.clip(least, most) for end in ends)
    return pd.DataFrame(columns)
