"""Attention of every class on one cue, by method and target kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from xai_audit.evidence.attention import attention
from xai_audit.evidence.columns import ATTENTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.evidence.heatmaps import Shares
    from xai_audit.evidence.readings import SurveyTables


def attended_table(
    survey: SurveyTables,
    cue: str,
    maps: Sequence[Shares],
    names: Sequence[str],
    grid: tuple[int, int],
    seed: int,
) -> pa.Table:
    """The rows of ATTENTION of ``cue``; none for a property of the whole photo.

    Args:
        survey: what was read of every cue.
        cue: its key.
        maps: heatmaps of the photos of the survey, by method and target kind.
        names: of the classes, in the order of the rows; those without photos are left out.
        grid: (h, w) of the heatmaps.
        seed: of the sign flips.
    """
    regions, areas = survey.regions(cue, grid), survey.readings[cue].areas
    if regions is None:
        return ATTENTION.empty_table()
    present = [name for name in names if (survey.classes == name).any()]
    rows = []
    for of in maps:
        found = attention(of.maps, regions, areas, survey.classes, classes=present, seed=seed)
        for name, one in found.items():
            numbers = {**vars(one.estimate), "mass": one.mass, "area": one.area}
            row = {key: None if np.isnan(value) else value for key, value in numbers.items()}
            row |= {"cue": cue, "class_name": name, "method": of.method, "target_kind": of.kind}
            rows.append(row)
    return pa.Table.from_pylist(rows, schema=ATTENTION)
