"""Separating overlapping cues: one explains another if restoring it removes the other's effect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# An effect is explained where less than this share of it is left.
_LEFT = 1 / 3
# The same where both are carried by the same photos and the other is narrower, or half as wide: a
# wide cue of carriers also brings what it has in any photo of the class.
_LEFT_NARROWER, _LEFT_HALF = 1 / 2, 3 / 4
# From this share of all their carriers on, two cues are carried by the same photos.
_SAME_CARRIERS = 1 / 2
# A cue with less than this share of another cue's effect cannot explain it.
_CARRIES = 1 / 2
# What is named in a wider place has so much of its effect; a discovered region, of its area too.
_MOST, _NARROW = 2 / 3, 1 / 2
# Areas closer than this count as equal: a corner's share of the view varies with the photos.
_SAME_AREA = 1.1


@dataclass(frozen=True)
class Suspect:
    """A cue that changes the decision on one class.

    Attributes:
        cue: its name.
        effect: of the cue on the probability.
        area: mean share of the view, infinite for a property of the whole photo.
        discovered: whether it is a region found by clustering heatmaps.
        pulls: whether only pull shows the effect, so that the class itself does not need the cue.
        place: whether its name says where it is: a border and a corner do, the background does not.
        carriers: ids of the photos that carry it; empty where they are not told apart.
        needed: what the carriers' own photos lose without it; NaN unknown.
    """

    cue: str
    effect: float
    area: float
    discovered: bool = False
    pulls: bool = False
    place: bool = True
    carriers: frozenset[str] = frozenset()
    needed: float = math.nan


def explained(suspects: Sequence[Suspect], left: Mapping[tuple[str, str], float]) -> dict[str, str]:
    """Cue -> the cue that explains it, for the cues of one class that another explains.

    Q explains P where less than a third of P's effect is left once Q's content is put back, and Q
    alone has at least half of P's effect, two thirds if Q is wider: a piece of a frame put back may
    restore the decision although the decision depends on the whole frame. Where the same photos
    carry both and Q is narrower, a half may be left, of half the area at most three quarters, and Q
    must have two thirds. They also show that Q explains P if they need Q, and P less than half as
    much: a piece of a wall is enough for other photos, but it is the wall that theirs rest on. A
    cue found by pull cannot explain one found by reliance: the class does not need it (as the edge
    of a wall that is everywhere).
    Where two cues explain each other, a named cue is kept before a discovered region, which is the
    part of it that heatmaps show; but a region that the class needs, that has two thirds of the
    effect of the background and half its area at most, is kept before the background, whose name
    says no place; else the narrower (a region before a property of the whole
    photo), if it has two thirds of the effect; of equals the one with the larger. An explaining
    cue is itself unexplained: chains are followed to their end, and of a cycle the cue with the
    largest effect is kept.

    Args:
        suspects: of one class.
        left: (P, Q) -> the share of P's effect left with Q's content put back; NaN or absent is
            unknown.
    """
    of = {suspect.cue: suspect for suspect in suspects}
    edges = {
        p: {
            q: left.get((p, q), math.inf)
            for q in of
            if q != p and _explains(of[q], of[p], left.get((p, q), math.nan))
        }
        for p in of
    }
    for p in of:
        for q in list(edges[p]):
            if p in edges[q] and _stays(of[p], of[q]):
                del edges[p][q]
    _open_circles(edges, of)
    return {p: _end(p, edges, of) for p in of if edges[p]}


def _explains(other: Suspect, one: Suspect, left: float) -> bool:
    """Whether ``other`` explains ``one``, of whose effect ``left`` remains with it put back."""
    if one.pulls and _carried_by_the_same(one, other):
        if _needs_more(other, one):
            return True
        if _needs_more(one, other):
            return False
        if other.area * _SAME_AREA < one.area:
            most = _LEFT_HALF if other.area <= _NARROW * one.area else _LEFT_NARROWER
            if left < most and other.effect >= _MOST * one.effect:
                return True
    # What holds it restores it anyway, so that a wider cue has to have most of the effect as well.
    least = _MOST if other.area > one.area * _SAME_AREA else _CARRIES
    causes = other.effect >= least * one.effect and (one.pulls or not other.pulls)
    return left < _LEFT and causes


def _needs_more(one: Suspect, other: Suspect) -> bool:
    """Whether the carriers need ``one`` of two cues, and the other less than half as much."""
    return one.needed >= _CARRIES * one.effect and other.needed < _CARRIES * one.needed


def _carried_by_the_same(one: Suspect, other: Suspect) -> bool:
    shared, either = one.carriers & other.carriers, one.carriers | other.carriers
    return bool(shared) and len(shared) >= _SAME_CARRIERS * len(either)


def _stays(one: Suspect, other: Suspect) -> bool:
    """Whether ``one`` is kept of two cues that explain each other."""
    if one.discovered != other.discovered:
        named, found = (other, one) if one.discovered else (one, other)
        return one.discovered == _is_the_place(found, named)
    narrow, wide = sorted((one, other), key=lambda suspect: suspect.area)
    if wide.area > narrow.area * _SAME_AREA:
        return one is (narrow if narrow.effect >= _MOST * wide.effect else wide)
    return (one.effect, other.cue) > (other.effect, one.cue)


def _is_the_place(found: Suspect, named: Suspect) -> bool:
    """Whether a discovered region says better than a named cue where the effect is.

    A piece of a wall does not: the class can do without it, and it has less of the effect.
    """
    narrow = found.area <= _NARROW * named.area < math.inf
    needed = not found.pulls and found.effect >= _MOST * named.effect
    return not named.place and narrow and needed


def _open_circles(edges: dict[str, dict[str, float]], of: Mapping[str, Suspect]) -> None:
    """Remove the explanation of the cue with the largest effect in each closed cycle."""
    while True:
        reach = {p: _reach(p, edges) for p in edges}
        closed = [p for p in edges if edges[p] and all(p in reach[q] for q in reach[p])]
        if not closed:
            return
        largest = max(closed, key=lambda p: (of[p].effect, p))
        edges[largest].clear()


def _reach(start: str, edges: Mapping[str, Mapping[str, float]]) -> set[str]:
    """Every cue that explanations lead to from ``start``; itself only where it is in a cycle."""
    seen: set[str] = set()
    todo = list(edges[start])
    while todo:
        if (cue := todo.pop()) not in seen:
            seen.add(cue)
            todo += edges[cue]
    return seen


def _end(start: str, edges: Mapping[str, Mapping[str, float]], of: Mapping[str, Suspect]) -> str:
    """The unexplained cue that ``start`` leads to: leaving least at once, or the narrowest."""
    direct = {q: left for q, left in edges[start].items() if not edges[q]}
    if direct:
        return min(direct, key=lambda q: (direct[q], q))
    ends = [q for q in _reach(start, edges) if not edges[q]]
    return min(ends, key=lambda q: (of[q].area, -of[q].effect, q))
