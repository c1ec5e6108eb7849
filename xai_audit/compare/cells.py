"""Each class and cue in two runs: verdicts, effects, their difference and the word for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.compare.difference import PHOTOS, Difference, of_effects, unpaired
from xai_audit.compare.shared import joined
from xai_audit.run.verdicts import CONFIRMED
from xai_audit.schema import CARRIER_PULL, CONFIRMING, PULL, RELIANCE, SCREENING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from xai_audit.compare.shared import Shared, Side

    Row = Mapping[str, Any]

_ENDS = ("", "_low", "_high")
_ASKED = (*CONFIRMING, SCREENING)


class Pairs:
    """The measured pairs of a run, by class, cue and question.

    Args:
        side: the run.
        photos: whose pairs are read as they are; those of others get names of their own, since
            they are other photos.
    """

    def __init__(self, side: Side, photos: frozenset[str]) -> None:
        columns = ["class_name", "cue", "question", "given", *PHOTOS, "p_with", "p_without"]
        rows = side.run.collect("transplants", columns)
        rows = rows[rows["given"].isna() & rows["question"].isin(_ASKED)]
        rows = rows.assign(effect=rows["p_with"] - rows["p_without"]).dropna(subset=["effect"])
        clusters, most = side.clusters, len(side.clusters)
        for name in PHOTOS:
            own = ~rows[name].isin(photos)
            rows[name] = rows[name].mask(own, side.name + "\0" + rows[name])
        self.clusters = {
            one if one in photos else f"{side.name}\0{one}": number
            for one, number in clusters.items()
        }
        for name in PHOTOS:  # of tables written by hand
            for one in rows[name].unique():
                if one not in self.clusters:
                    self.clusters[one] = most = most + 1
        rows = rows.drop_duplicates(["class_name", "cue", "question", *PHOTOS])
        kept = rows[["class_name", "cue", "question", *PHOTOS, "effect"]]
        grouped = kept.groupby(["class_name", "cue", "question"], sort=False)
        self._rows = {key: group[[*PHOTOS, "effect"]] for key, group in grouped}
        self._none = kept.iloc[:0][[*PHOTOS, "effect"]]

    def of(self, row: Row, question: str) -> pd.DataFrame:
        """The pairs that a cell's ``question`` was measured with."""
        if question == RELIANCE and row["measured_on"] == "others":
            question = PULL  # what a photo has lost cannot be restored: others lose it instead
        return self.named(row["class_name"], row["cue"], question)

    def named(self, class_name: str, cue: str, question: str) -> pd.DataFrame:
        """The pairs of a cell and question of ``transplants/``; none where there are none."""
        return self._rows.get((class_name, cue, question), self._none)


def cell_rows(reference: Side, other: Side, common: Shared) -> list[dict[str, Any]]:
    """The columns of COMPARISON of every cell of two runs, without q, word and because.

    Raises:
        OutputError: a table is missing or broken.
    """
    sides = (reference, other)
    pairs = [Pairs(side, common.photos) for side in sides]
    seed = int(reference.run.record.get("seed") or 0)
    clusters = joined(pairs[0].clusters, pairs[1].clusters)
    carriers = [_carriers(side) for side in sides]
    found = []
    for cell in dict.fromkeys([*reference.cells, *other.cells]):
        before, after = (side.cells.get(cell) for side in sides)
        row = _verdicts(before, after) | {"run": other.name, "class_name": cell[0], "cue": cell[1]}
        change = Difference()
        if before is not None and after is not None:
            question = row["question"] = _question(before, after)
            row |= _effects(before, after, question)
            mine, theirs = (
                one.of(side, question) for one, side in zip(pairs, (before, after), strict=True)
            )
            row |= {"n_reference": len(mine), "n_run": len(theirs)}
            if before["measured_on"] == after["measured_on"] or question != RELIANCE:
                change = of_effects(mine, theirs, clusters, seed=seed)
            if question == CARRIER_PULL and not (len(mine) and len(theirs)):
                change = _carried(cell[:2], pairs, carriers)
        found.append(row | _columns(change))
    return found


def _verdicts(before: Row | None, after: Row | None) -> dict[str, Any]:
    sides = (before, after)
    return {
        "verdict_reference": None if before is None else before["verdict"],
        "verdict": None if after is None else after["verdict"],
        "question": None,
        "masks_made": any(side is not None and side.get("masks_made") is True for side in sides),
        "n_reference": 0,
        "n_run": 0,
    }


def _question(before: Row, after: Row) -> str:
    """The question whose effect is compared: the one that confirmed, the reference's first."""
    for row in sorted((before, after), key=lambda one: one["verdict"] != CONFIRMED):
        if row["question"] is not None:
            return str(row["question"])
    measured = None not in (before[RELIANCE], after[RELIANCE])
    return RELIANCE if measured else str(before["shown_question"])


def _effects(before: Row, after: Row, question: str) -> dict[str, Any]:
    """Each run's own estimate and interval of ``question``."""
    return {
        f"{name}{end}": row[f"{question}{end}"]
        for name, row in (("effect_reference", before), ("effect", after))
        for end in _ENDS
    }


def _columns(change: Difference) -> dict[str, Any]:
    ends = zip(_ENDS, (change.value, change.low, change.high), strict=True)
    return {
        **{f"difference{end}": value for end, value in ends},
        "difference_p": change.p,
        "compared": change.compared,
        "n_compared": change.count,
    }


def _carriers(side: Side) -> dict[tuple[str, str], set[str]]:
    """Class and cue -> the photos that carry it."""
    if not side.run.has("carriers"):
        return {}
    rows = side.run.carriers
    groups = rows.groupby(["class_name", "cue"])["image_id"]
    return {(str(name), str(cue)): {*ids} for (name, cue), ids in groups}


def _carried(
    cell: tuple[str, str], pairs: list[Pairs], carriers: list[dict[tuple[str, str], set[str]]]
) -> Difference:
    """The effect of one run's carriers there against that of the same photos in the other.

    Where one run found carriers and the other none, the other has their effect from its screening:
    every photo of the class gave its cue to others there. Neither effect is of pairs that its own
    run chose the carriers by, so that neither is flattered. Unpaired, by donor.
    """
    found: list[tuple[Any, Any]] = []
    for place in (0, 1):
        rows = pairs[place].named(*cell, CARRIER_PULL)
        if not len(rows):
            rows = pairs[place].named(*cell, SCREENING)
            rows = rows[rows["donor_with"].isin(carriers[1 - place].get(cell, set()))]
        _, donor = np.unique(rows["donor_with"].to_numpy(str), return_inverse=True)
        found.append((rows["effect"].to_numpy(np.float64), donor[:, None].astype(np.int64)))
    return unpaired(*found[0], *found[1])
