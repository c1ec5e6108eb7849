"""Groups of methods: the cheap ones share a pass over the photos, an expensive one has its own.

A part is some photos and one group. Methods that take few forwards share the model's outputs and
gradients, so that they are made together and first; one that runs hundreds of copies of a photo
gains nothing from that, and is made after them, the cheapest first. So what is cheap is committed
before what takes hours begins, and a method that is added leaves the parts of the others alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from xai_audit.config.costs import forwards_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.run.progress import Progress
    from xai_audit.work.stage import Part

log = logging.getLogger(__name__)

FEW = 10  # forwards a photo of a method that shares a pass


@dataclass(frozen=True)
class Group:
    """Methods that are made in one pass over the photos.

    Attributes:
        nodes: the keys of each, in the order in which they were requested.
        costs: forwards a photo of each; None where they cannot be told beforehand.
    """

    nodes: tuple[Mapping[str, Any], ...]
    costs: tuple[int | None, ...]

    @property
    def names(self) -> list[str]:
        """The methods' names."""
        return [str(node["name"]) for node in self.nodes]


def grouped(nodes: Sequence[Mapping[str, Any]], *, targets: int) -> list[Group]:
    """The methods in groups, in the order in which these are made.

    First all methods of at most 10 forwards a photo, then each other one by itself, by its number
    of forwards. One whose number cannot be told, as of a method of the user's own, may be the most
    expensive and comes last.

    Args:
        nodes: the keys of each method.
        targets: what is explained of each photo; some methods need a forward for each.
    """
    priced = [(node, forwards_of(node, targets=targets)) for node in nodes]
    cheap = [one for one in priced if one[1] is not None and one[1] <= FEW]
    others = [one for one in priced if one not in cheap]
    others.sort(key=lambda one: (one[1] is None, one[1] or 0))
    found = [cheap] if cheap else []
    found += [[one] for one in others]
    return [Group(*map(tuple, zip(*some, strict=True))) for some in found]


def shares(groups: Sequence[Group], photos: int) -> list[int]:
    """How many of ``photos`` the parts of each group count as, by their forwards; the sum is all.

    So a photo is done once all groups have it, and the progress is that of the work. A method of
    unknown cost counts as the most expensive known one.
    """
    most = max((cost for group in groups for cost in group.costs if cost is not None), default=1)
    weights = [sum(most if cost is None else cost for cost in group.costs) for group in groups]
    ends = [photos * until // sum(weights) for until in accumulate(weights)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


class SharedProgress:
    """Progress of parts whose photos count a share each, see :func:`shares`.

    Args:
        shown: gets the shares.
    """

    def __init__(self, shown: Progress) -> None:
        self._shown, self._photos, self._size, self._done = shown, 1, 0, 0

    def begin(self, part: Part) -> None:
        """Count the photos of ``part`` from now on."""
        self._photos = part.args["stop"] - part.args["start"]
        self._size, self._done = part.size, 0

    def __call__(self, images: int) -> None:
        """So many more images of the part are done."""
        before, self._done = self._done, self._done + images
        done, earlier = (n * self._size // self._photos for n in (self._done, before))
        self._shown(done - earlier)

    def forwards(self, count: int) -> None:
        """So many forwards more were made."""
        self._shown.forwards(count)


def log_costs(groups: Sequence[Group], photos: int) -> None:
    """Log how many forwards the methods take, where that is more than a few, and their order."""
    costs = {n: c for group in groups for n, c in zip(group.names, group.costs, strict=True)}
    if all(cost is not None and cost <= FEW for cost in costs.values()) and len(costs) == 1:
        return
    texts = [f"{name} {'?' if cost is None else f'{cost:,}'}" for name, cost in costs.items()]
    total = sum(cost or 0 for cost in costs.values()) * photos
    more = ", those of ? not counted" if None in costs.values() else ""
    log.info(
        "attribute: forwards a photo: %s; at most about %s for %s photos%s",
        ", ".join(texts), f"{total:,}", f"{photos:,}", more,
    )  # fmt: skip
    if len(groups) > 1:
        order = ", then ".join(" with ".join(group.names) for group in groups)
        log.info("attribute: %s, each kept as it is finished", order)
