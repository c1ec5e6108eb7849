"""The photos that the explore page has a picture of: all, or of very many the most telling."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from xai_audit.run.sample import hash_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xai_audit.report.explore.beside import Beside
    from xai_audit.report.explore.listed import Listed


def chosen(listed: Listed, beside: Beside, *, most: int, seed: int) -> list[int]:
    """Rows of at most ``most`` photos, ascending.

    Where there are more photos, these take turns: the most suspicious by flag, the surest carriers,
    the strongest pairs with their donors, and a draw by ``seed`` of all.
    """
    if len(listed.ids) <= most:
        return list(range(len(listed.ids)))
    flags = beside.flags.sort_values(["rank", "image_id"], kind="stable")["image_id"]
    carriers = beside.carriers.sort_values("sure", ascending=False, kind="stable")["image_id"]
    pairs = beside.pairs.sort_values("moved", ascending=False, kind="stable")
    donors = pairs[["image_id", "donor_with", "donor_without"]].to_numpy().ravel()
    draw = sorted(listed.ids, key=lambda image_id: hash_order(seed, image_id))
    taken: dict[str, None] = {}
    for image_id in chain.from_iterable(zip_longest(flags, carriers, donors, draw)):
        if len(taken) == most:
            break
        if isinstance(image_id, str) and image_id in listed.ids:
            taken[image_id] = None
    return _rows(listed, taken)


def _rows(listed: Listed, image_ids: Iterable[str]) -> list[int]:
    return sorted(int(row) for row in listed.rows_of([*image_ids]))
