"""Redundant cues: several that are each enough alone, so that taking one away shows nothing.

Necessity is what the class's own photos lose when a cue is taken away, sufficiency what the cue
alone gives to photos of other classes. ``reliance`` measures the first and ``pull`` the second for
one cue at a time. Where two cues are each sufficient neither is necessary, but both together are:
their necessity is measured by taking them away at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xai_audit.evidence.at_once import JOIN
from xai_audit.evidence.plan import OWN
from xai_audit.language import tell
from xai_audit.run.verdicts import cue_words
from xai_audit.schema import DISCOVERED, PULL, RELIANCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.evidence.verdict import Limits
    from xai_audit.statistics.estimate import Estimate

_CELL = ["class_name", "cue"]
# Of so many cues, those with the largest pull, every pair and all together are taken away.
_MOST = 3
# A part alone takes less than half of what all take, or what holds them does: else it is necessary
# by itself.
_ALONE = 1 / 2
# All parts take most of what the wider cue takes, and each part gives at least half of it.
_MOST_OF, _GIVES = 2 / 3, 1 / 2
# It holds every other region, so that it is never one of several.
BACKGROUND = "background"


@dataclass(frozen=True)
class Redundant:
    """Cues of one class that are each enough alone.

    Attributes:
        parts: the cues, the one with the largest pull first.
        alone: each part's own reliance.
        jointly: what the class's photos lose when all are taken away.
        wide: the confirmed cues that hold them, whose effect is theirs.
    """

    parts: tuple[str, ...]
    alone: tuple[float, ...]
    jointly: Estimate
    wide: tuple[str, ...]

    def others(self, cue: str) -> str:
        """The parts other than ``cue``, joined by a plus."""
        return JOIN.join(part for part in self.parts if part != cue)

    def settled(
        self, explained: Mapping[str, str], left: Mapping[tuple[str, str], float]
    ) -> dict[str, str]:
        """``explained`` with a part in place of the wide cues, and the parts themselves left out.

        Args:
            explained: cue -> the cue that explains it.
            left: (cue, other) -> the share of the cue's effect left with the other's content put
                back; that part is named which leaves least.
        """
        by = dict(explained)
        for cue in [cue for cue, of in explained.items() if of in self.wide]:
            by[cue] = min(self.parts, key=lambda part: left.get((cue, part), math.inf))
        by |= dict.fromkeys(self.wide, self.parts[0])
        return {cue: of for cue, of in by.items() if cue not in self.parts}

    def told(self, name: str) -> str:
        """What taking all parts away does, and each alone, for the end of a sentence."""
        own = [
            tell("the {cue} alone by {value:.2f}", cue=cue_words(part), value=_two(value))
            for part, value in zip(self.parts, self.alone, strict=True)
        ]
        value, alone = _two(self.jointly.value), _listed(own)
        if len(self.parts) == 2:
            return tell(
                "taking both away lowers the probability of {name} by {value:.2f}, {ALONE}",
                name=name, value=value, ALONE=alone,
            )  # fmt: skip
        return tell(
            "taking all away lowers the probability of {name} by {value:.2f}, {ALONE}",
            name=name, value=value, ALONE=alone,
        )  # fmt: skip

    @property
    def words(self) -> str:
        """The parts in plain words."""
        return _listed([tell("the {cue}", cue=cue_words(part)) for part in self.parts])


def sought(judged: pd.DataFrame, limits: Limits) -> dict[str, list[tuple[str, ...]]]:
    """Class -> the sets of cues that are to be taken away at once, each by name.

    A part pulls surely and has less than half of the largest reliance of a region; a region with
    more that is not wider than every part ends the search, for the class then has a narrow cue that
    it needs. Without a wide cue each part has to be confirmed by its pull.

    Args:
        judged: rows of cells with q columns and ``question``.
        limits: from which on a finding counts.
    """
    found = {}
    # A look at each class takes long where there are a thousand; most have no part at all.
    able = judged.loc[judged["pull_low"] >= limits.reliance, "class_name"]
    some = judged[judged["class_name"].isin(able)]
    for name, rows in some.drop_duplicates(_CELL).groupby("class_name"):
        parts, wide = _roles(rows, limits)
        if len(parts) > 1:
            cues = parts["cue"].tolist()[:_MOST]
            sets = [*combinations(cues, 2), *([tuple(cues)] if len(cues) > 2 else [])]
            found[str(name)] = sets
    return found


def _roles(rows: pd.DataFrame, limits: Limits) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of one class that may be parts, the largest pull first, and the wide cues."""
    relied = rows[(rows["question"] == RELIANCE) & rows["area"].notna()]
    relied = relied[relied["reliance"] >= _ALONE * relied["reliance"].max()]
    able = (rows["measured_on"] == OWN) & (rows["n_images"] >= limits.min_images)
    pulls = (rows["pull_low"] >= limits.reliance) & (rows["pull_q"] <= limits.q)
    needed = rows["cue"].isin([*relied["cue"], BACKGROUND])
    parts = rows[able & pulls & ~needed]
    if relied.empty:
        parts = parts[parts["question"] == PULL]
    else:
        # Two pieces of one wall are no two cues: all parts are clearly less than the whole.
        most = relied["area"].min()
        if (parts["area"] >= most).any():
            parts = parts.iloc[:0]
        parts = parts[parts["pull"] >= _GIVES * relied["reliance"].max()]
    return parts.sort_values(["pull", "cue"], ascending=[False, True]), relied


def redundant(
    judged: pd.DataFrame, joint: Mapping[tuple[str, tuple[str, ...]], Estimate], limits: Limits
) -> dict[str, Redundant]:
    """Class -> its redundant cues: the fewest that take the effect away, then those that take most.

    Args:
        judged: rows of cells with q columns and ``question``.
        joint: of :func:`~xai_audit.evidence.at_once.joint_effects`.
        limits: from which on a finding counts.
    """
    by_class = dict(list(judged.drop_duplicates(_CELL).groupby("class_name")))
    found: dict[str, Redundant] = {}
    for name, sets in sought(judged, limits).items():
        rows = by_class[name]
        _, wide = _roles(rows, limits)
        alone = rows.set_index("cue")["reliance"].astype(float)
        held = [
            Redundant(parts, tuple(alone[[*parts]]), joint[name, parts], tuple(wide["cue"]))
            for parts in sets
            if (name, parts) in joint
        ]
        most = max(wide["reliance"], default=0.0)
        held = [each for each in held if _holds(each, most, limits)]
        if held:
            found[name] = _best(held)
    return found


def _best(held: Sequence[Redundant]) -> Redundant:
    """The smallest set; of these that of the fewest discovered regions, then that takes most."""

    def order(each: Redundant) -> tuple[int, int, float]:
        found = sum(cue.startswith(DISCOVERED) for cue in each.parts)
        return len(each.parts), found, -each.jointly.value

    return min(held, key=order)


def _holds(cues: Redundant, most: float, limits: Limits) -> bool:
    """Whether all are surely necessary together, and none alone, beside what holds them.

    Args:
        cues: parts that were taken away at once.
        most: the largest reliance on a cue that holds them; 0 without one.
        limits: from which on a finding counts.
    """
    value = cues.jointly.value
    surely = cues.jointly.low >= limits.reliance and value >= most * _MOST_OF
    return surely and max(cues.alone) < _ALONE * max(value, most)


def with_redundant(judged: pd.DataFrame, found: Mapping[str, Redundant]) -> pd.DataFrame:
    """A copy with ``necessity``, ``sufficiency``, their intervals and ``redundant_with``.

    ``sufficiency`` is the pull. ``necessity`` is the reliance on the class's own photos; of a part
    of a redundant set it is what they lose without the whole set, where reliance stays that of the
    part alone. NaN where it was measured on other classes' photos. The parts are confirmed by
    ``pull``: that the class loses the decision without them, against donors of its own edited
    alike, excludes that any damage pulls.
    """
    cells = list(zip(judged["class_name"], judged["cue"], strict=True))
    mine = [_of(found.get(name), cue) for name, cue in cells]
    part = [
        each if each and cue in each.parts else None
        for each, (_, cue) in zip(mine, cells, strict=True)
    ]
    others = [
        each.others(cue) if each else None for each, (_, cue) in zip(part, cells, strict=True)
    ]
    is_part = pd.Series([each is not None for each in part], index=judged.index, dtype=bool)
    own = judged["measured_on"] == OWN
    rows = judged.assign(
        redundant=pd.Series(mine, index=judged.index, dtype=object),
        redundant_with=pd.Series(others, index=judged.index, dtype=object),
        question=judged["question"].mask(is_part, PULL),
    )
    for end, name in (("", "value"), ("_low", "low"), ("_high", "high")):
        jointly = [getattr(each.jointly, name) if each else np.nan for each in part]
        alone = judged[f"{RELIANCE}{end}"].astype(float).where(own)
        rows[f"necessity{end}"] = alone.mask(is_part, pd.Series(jointly, index=judged.index))
        rows[f"sufficiency{end}"] = judged[f"{PULL}{end}"]
    return rows


def _of(cues: Redundant | None, cue: str) -> Redundant | None:
    """``cues`` where ``cue`` is a part or one that holds them."""
    return cues if cues is not None and cue in (*cues.parts, *cues.wide) else None


def _listed(words: Sequence[str]) -> str:
    some = words[0]
    for each in words[1:-1]:
        some = tell("{SOME}, {OTHER}", SOME=some, OTHER=each)
    return tell("{SOME} and {LAST}", SOME=some, LAST=words[-1])


def _two(value: float) -> float:
    return round(value, 2) + 0.0
