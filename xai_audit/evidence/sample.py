"""The images of the survey: a bounded number of each class, drawn by seed and image id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from xai_audit.run.sample import per_class as drawn_per_class

if TYPE_CHECKING:
    from collections.abc import Sequence

# Whatever the number of classes: descriptors of all of them are held in memory.
_MOST = 20_000
_LEAST = 12


def sample(ids: Sequence[str], classes: Sequence[str], *, per_class: int, seed: int) -> list[int]:
    """Rows of at most ``per_class`` images a class, in the order of the rows.

    With very many classes fewer of each, but never under 12.
    """
    most = min(per_class, max(_LEAST, _MOST // max(len({*classes}), 1)))
    rows = pd.DataFrame({"image_id": ids, "class_name": classes, "row": range(len(ids))})
    chosen = drawn_per_class([rows], most, seed)
    return sorted(chosen["row"].tolist())
