"""Which images are read: a bounded number of each class, drawn by seed and image id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.run.sample import hash_order

if TYPE_CHECKING:
    from collections.abc import Sequence

# Whatever the number of classes: descriptors of all of them stand in memory.
_MOST = 20_000
_LEAST = 12


def sample(ids: Sequence[str], classes: Sequence[str], *, per_class: int, seed: int) -> list[int]:
    """Rows of at most ``per_class`` images a class, in the order of the rows.

    With very many classes fewer of each, but never under 12.
    """
    places: dict[str, list[int]] = {}
    for row, name in enumerate(classes):
        places.setdefault(name, []).append(row)
    most = min(per_class, max(_LEAST, _MOST // max(len(places), 1)))
    chosen = [
        row
        for rows in places.values()
        for row in sorted(rows, key=lambda row: hash_order(seed, ids[row]))[:most]
    ]
    return sorted(chosen)
