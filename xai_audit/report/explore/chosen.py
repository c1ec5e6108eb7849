"""The photos that the explore page has a picture of: all, or of very many the most telling."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from xai_audit.run.sample import hash_order

if TYPE_CHECKING:
    from xai_audit.report.explore.beside import Beside
    from xai_audit.report.explore.listed import Listed


def chosen(listed: Listed, beside: Beside, *, most: int, seed: int) -> list[int]:
    """At most ``most`` of the page's rows, ascending.

    Where there are more, these take turns: the most suspicious by flag, the surest carriers, the
    strongest pairs with their donors, and a draw by ``seed`` of all.
    """
    if len(listed.ids) <= most:
        return list(range(len(listed.ids)))
    flags = beside.flags.sort_values(["rank", "image_id"], kind="stable")
    carriers = beside.carriers.sort_values("sure", ascending=False, kind="stable")
    pairs = beside.pairs.sort_values("moved", ascending=False, kind="stable")
    own = [
        listed.rows_of(rows["image_id"], rows["class_name"]) for rows in (flags, carriers, pairs)
    ]
    donors = [listed.rows_of(pairs[name].fillna("")) for name in ("donor_with", "donor_without")]
    draw = sorted(range(len(listed.ids)), key=lambda row: hash_order(seed, str(listed.ids[row])))
    paired = chain.from_iterable(zip(own[2], *donors, strict=True))
    taken: dict[int, None] = {}
    for row in chain.from_iterable(zip_longest(own[0], own[1], paired, draw)):
        if len(taken) == most:
            break
        if row is not None and row >= 0:
            taken[int(row)] = None
    return sorted(taken)
