"""What the audits said where only some photos carry the artefact, and of pairs and rivals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tests.bench.planted import beside, dose, ranking
from tests.bench.planted.outcome import (
    COMMAND,
    NEGATIVE,
    POSITIVE,
    Outcome,
    effect,
    reliance,
)
from tests.bench.planted.scenario import CONTROL, OWN
from tests.bench.planted.truth import of_cue
from tests.bench.rows import NO_BOUND, Row
from xai_audit.schema import DISCOVERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CONFIRMED = "confirmed"
_STAMP = "stamp"
_OF = "shares, pairs and controls"
# Below it a label has one or two carriers.
_MANY, _SOME = 0.25, 0.10


def planted_cells(outcome: Outcome) -> pd.DataFrame:
    """Cells that were measured to have an effect: class_name, cue, truth, verdict, effect, share.

    Of each label and each planted cue; of a rival's label the same cue, on all of its photos.
    """
    scenario, found = outcome.scenario, []
    for label in (scenario.planted, scenario.other_twin if scenario.rival else None):
        for plant in scenario.plants if label else ():
            row = outcome.cell(label, plant.cue)
            truth = of_cue(outcome.truth[label], plant.cue)
            if truth < POSITIVE:
                continue
            found.append(
                {
                    "scenario": scenario.name,
                    "class_name": label,
                    "cue": plant.cue,
                    "truth": truth,
                    "positive": True,
                    "verdict": row.get("verdict", "absent"),
                    "named": row.get("verdict") == _CONFIRMED,
                    "reliance": reliance(row),
                    "effect": effect(row),
                    "share": scenario.share,
                }
            )
    return pd.DataFrame(found)


def negative_cells(outcome: Outcome) -> pd.DataFrame:
    """Cells on which nothing is relied: class_name, cue, verdict, reliance, effect.

    Of a control each cell; else of the labels without artefact the planted cue, measured; and of
    a planted twin what holds no planted pixel. A region that was discovered counts on labels other
    than the planted one, whose regions may hold the artefact. Stamps are what the user suspects.
    """
    scenario = outcome.scenario
    cues = {plant.cue for plant in scenario.plants}
    near = set().union(*(plant.left_out for plant in scenario.plants)) | cues
    named = {scenario.planted, scenario.other_twin if scenario.rival else None}

    def negative(label: str, cue: str) -> bool:
        if cue.startswith(_STAMP):
            return False
        if scenario.kind == CONTROL:
            return True
        if cue.startswith(DISCOVERED):
            return label not in named
        if label in named:
            return scenario.kind != OWN and cue not in near
        return cue in cues and of_cue(outcome.truth[label], cue) <= NEGATIVE

    table = outcome.evidence.drop_duplicates(["class_name", "cue"])
    kept = [negative(row.class_name, row.cue) for row in table.itertuples()]
    cells = table[np.asarray(kept, bool)]
    return cells.assign(
        scenario=scenario.name,
        positive=False,
        reliance=[reliance(row) for _, row in cells.iterrows()],
        effect=[effect(row) for _, row in cells.iterrows()],
    )[["scenario", "class_name", "cue", "positive", "verdict", "reliance", "effect"]]


def carrier_counts(outcome: Outcome) -> tuple[int, int, int]:
    """How many carriers there are, how many photos were named as carriers, how many were both.

    Named is a photo that is a carrier with a probability of at least a half.
    """
    scenario = outcome.scenario
    there = set(outcome.carriers.get(scenario.planted, ()))
    found = outcome.found_carriers
    if len(found):
        cues = {plant.cue for plant in scenario.plants}
        of_cell = (found["class_name"] == scenario.planted) & found["cue"].isin(cues)
        found = found[of_cell & (found["sure"] >= 0.5)]
    named = set(found["image_id"]) if len(found) else set()
    return len(there), len(named), len(there & named)


def rows(outcomes: Sequence[Outcome], controls: Sequence[Outcome] = ()) -> list[Row]:
    """A row for each question; ``controls`` count among the negative cells."""
    if not outcomes:
        return []
    good = pd.concat([planted_cells(o) for o in outcomes], ignore_index=True)
    bad = pd.concat([negative_cells(o) for o in [*outcomes, *controls]], ignore_index=True)
    used = [o for o in outcomes if len(planted_cells(o))]
    return [
        *_recalls(good, {o.scenario.name for o in outcomes if len(o.scenario.plants) > 1}),
        _negatives(bad),
        *_carrier_rows([o for o in used if _SOME <= o.scenario.share < 1]),
        _intervals([o for o in used if o.scenario.share < 1]),
        *ranking.rows(good, bad, _OF),
        *beside.rows(pd.concat([good, bad], ignore_index=True), [*outcomes, *controls], _OF),
        *dose.rows(outcomes),
    ]


def _told(what: str, asked: int, wrong: Iterable[str], bound: str = NO_BOUND) -> Row:
    missed = list(wrong)
    share = f" ({(asked - len(missed)) / asked:.3f})" if asked else ""
    listed = f": missed {', '.join(missed)}" if missed else ""
    return Row(what, bound, f"{asked - len(missed)} of {asked}{share}{listed}", True, COMMAND)


def _recalls(good: pd.DataFrame, pairs: set[str]) -> list[Row]:
    if not len(good):
        return []
    pair = good["scenario"].isin(pairs)
    rival = good["scenario"].str.startswith("scene")
    part = ~pair & ~rival
    kinds = {
        f"recall of confirmed, artefact on a share of >= {_MANY:.2f}": part
        & (good["share"] >= _MANY),
        f"recall of confirmed, artefact on a share of {_SOME:.2f}": part & (good["share"] == _SOME),
        f"recall of confirmed, artefact on a share below {_SOME:.2f}": part
        & (good["share"] < _SOME),
        "each artefact of a pair is confirmed": pair,
        "each of two rival backdrops is confirmed": rival,
    }
    return [
        _told(what, int(which.sum()), _names(good[which & ~good["named"].astype(bool)]))
        for what, which in kinds.items()
    ]


def _names(cells: pd.DataFrame) -> list[str]:
    return [f"{row.scenario} {row.class_name}/{row.cue}" for row in cells.itertuples()]


def _negatives(bad: pd.DataFrame) -> Row:
    wrong = bad[bad["verdict"] == _CONFIRMED]
    listed = f": {', '.join(_names(wrong))}" if len(wrong) else ""
    return Row(
        "confirmed on negative cells of shares, pairs and controls, discovered regions too",
        NO_BOUND, f"{len(wrong)} of {len(bad)}{listed}", True, COMMAND,
    )  # fmt: skip


def _carrier_rows(outcomes: Sequence[Outcome]) -> list[Row]:
    there, named, both = np.sum(
        [(0, 0, 0), *(carrier_counts(outcome) for outcome in outcomes)], axis=0
    )
    precision = f" ({both / named:.3f})" if named else ""
    recall = f" ({both / there:.3f})" if there else ""
    of = f"of {len(outcomes)} labels with a share of >= {_SOME:.2f}"
    return [
        Row(
            f"photos named as carriers that are, {of}",
            NO_BOUND, f"{both} of {named}{precision}", True, COMMAND,
        ),
        Row(
            f"carriers that are named, {of}",
            NO_BOUND, f"{both} of {there}{recall}", True, COMMAND,
        ),
    ]  # fmt: skip


def _intervals(outcomes: Sequence[Outcome]) -> Row:
    known = [(o, *dose.estimate(o)) for o in outcomes]
    known = [(o, low, high) for o, _, low, high in known if not np.isnan(low)]
    wrong = [o.scenario.name for o, low, high in known if not low <= dose.share(o) <= high]
    return _told("the share of carriers is in its interval", len(known), wrong)
