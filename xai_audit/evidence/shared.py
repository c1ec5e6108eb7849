"""Which pairs are not independent: their photos, or their donors, are of one cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray


def shared_clusters(
    photos: Iterable[tuple[str, str, str]], clusters: Mapping[str, int]
) -> NDArray[np.int64] | None:
    """The clusters (n, 3) of pairs; None where each of their photos is a cluster of its own.

    Columns are the photo that is changed and its two donors. For reliance the photo and its donor
    "with" are of the cell's class, for pull only that donor is. A photo that is its own donor is
    left as it is, and what is put on it is the same whoever the other donor is: there only the
    photo counts.

    Args:
        photos: of each pair, its photo and the donors with and without.
        clusters: image id -> number of its cluster.
    """
    counted = [each if each[0] != each[2] else (each[0],) * 3 for each in photos]
    found = np.array([[clusters[one] for one in each] for each in counted], np.int64)
    distinct = {one for each in counted for one in each}
    return None if len(np.unique(found)) == len(distinct) else found
