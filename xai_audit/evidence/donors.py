"""The photos that take part: the survey's sample, and the donors of a cue.

Donors of another class come from the classes that the cue-only classifier predicts worst.
Otherwise the rival of a class with a planted mark would be called reliant on the mark, since the
mark's absence identifies the rival.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from xai_audit.run.sample import per_class as drawn_per_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# Of a class with fewer photos neither availability nor attention is known.
MIN_PHOTOS = 5
_DONOR_CLASSES = 4
_CHANCE = 0.5
# Two AUROCs closer than this may come from the presence and the absence of one and the same mark.
_CLEARLY = 0.1
# Whatever the number of classes: descriptors of all of them are held in memory.
_MOST = 20_000
_LEAST = 12


def ordinary(name: str, others: Sequence[str], distinct: Mapping[str, float]) -> list[str]:
    """The other classes that may be donors, by the AUROC of the cue alone.

    They are the half with the lowest AUROC, and all others with a clearly lower one than ``name``.

    Args:
        name: the class of the cell.
        others: the other classes.
        distinct: class -> AUROC of the cue alone; NaN or absent is taken as chance.
    """
    least = (len(others) + 1) // 2
    if not distinct:
        return sorted(others)[:least]
    found = {one: distinct.get(one, math.nan) for one in (name, *others)}
    known = {one: _CHANCE if math.isnan(value) else value for one, value in found.items()}
    ranked = sorted(others, key=lambda one: (known[one], one))
    less = [one for one in ranked[least:] if known[one] <= known[name] - _CLEARLY]
    return ranked[:least] + less


def confusable(confusion: Mapping[str, float], others: Sequence[str]) -> list[str]:
    """The ``others``, those first whose photos the model most often takes for the class.

    Args:
        confusion: other class -> how many of its photos are predicted, or nearly, as the class.
        others: the other classes.
    """
    # Of a thousand classes few are ever confused with one; the others are sorted by name alone.
    able = {*others}
    taken = [other for other, photos in confusion.items() if photos > 0 and other in able]
    taken.sort(key=lambda other: (-confusion[other], other))
    return [*taken, *sorted(able - {*taken})]


def least_similar(likeness: Mapping[str, float], among: Sequence[str]) -> list[str]:
    """The four of ``among`` with the least similar cue to that of the class of the cell.

    Args:
        likeness: class -> how much its photos' cues look like that class's; NaN or absent is 0.
        among: the classes to choose from.
    """
    known = {one: likeness.get(one, 0.0) for one in among}
    known = {one: 0.0 if math.isnan(value) else value for one, value in known.items()}
    return sorted(among, key=lambda other: (known[other], other))[:_DONOR_CLASSES]


def typical(pool: Sequence[int], presence: Mapping[int, float]) -> list[int]:
    """The half of a class's photos, at least 2, with the most typical cue, in the given order.

    All of them where presence is unknown for each. In the other classes any photo may be a donor:
    their least typical photos would be an extreme of another kind, on which a model may fail
    without relying on the cue.

    Args:
        pool: the class's photos.
        presence: place -> how much the photo's cue looks like the class's; NaN or absent unknown.
    """
    known = {place: presence.get(place, math.nan) for place in pool}
    shown = {place: -math.inf if math.isnan(v) else v for place, v in known.items()}
    if all(map(math.isinf, shown.values())):
        return list(pool)
    ranked = sorted(pool, key=lambda place: -shown[place])
    kept = set(ranked[: max((len(pool) + 1) // 2, 2)])
    return [place for place in pool if place in kept]


def sample(ids: Sequence[str], classes: Sequence[str], *, per_class: int, seed: int) -> list[int]:
    """Rows of at most ``per_class`` images a class, in the order of the rows.

    With very many classes fewer of each, but never under 12.
    """
    most = min(per_class, max(_LEAST, _MOST // max(len({*classes}), 1)))
    rows = pd.DataFrame({"image_id": ids, "class_name": classes, "row": range(len(ids))})
    chosen = drawn_per_class([rows], most, seed)
    return sorted(chosen["row"].tolist())
