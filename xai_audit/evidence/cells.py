"""The whole plan: a cell for every class and cue, and one a class for all cues together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai_audit.evidence.plan import Cell, Known, cell, owner, pools
from xai_audit.evidence.read import CueReading
from xai_audit.evidence.together import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.evidence.survey import Survey


def planned_cells(survey: Survey, ways: Mapping[str, str], budget: int) -> list[Cell]:
    """The cells in the order of classes and cues; ``all`` cells last.

    Args:
        survey: the first pass.
        ways: key of a cue -> its way.
        budget: pairs a cell at most.
    """
    roster = survey.roster
    unknown = np.full(len(roster.rows), np.nan)
    of_cue = {key: pools(roster, key, read.usable) for key, read in survey.readings.cues.items()}
    cells = []
    for column, name in enumerate(roster.names):
        for key, reading in survey.readings.cues.items():
            if owner(key) not in (None, name):  # discovered in another class
                continue
            found = survey.available.get(key)
            estimates = {} if found is None else found.estimates
            cells.append(
                cell(
                    roster,
                    name,
                    Known(
                        cue=key,
                        way=ways[key],
                        reading=reading,
                        pools=of_cue[key],
                        distinct={other: estimate.value for other, estimate in estimates.items()},
                        presence=unknown if found is None else found.presence[:, column],
                    ),
                    budget=budget,
                )
            )
    whole = CueReading(
        None, None, unknown, unknown, np.ones(len(unknown), dtype=bool), needs_mask=False
    )
    everything = Known(ALL, "both", whole, pools(roster, ALL, whole.usable), {}, unknown)
    return cells + [cell(roster, name, everything, budget=budget) for name in roster.names]
