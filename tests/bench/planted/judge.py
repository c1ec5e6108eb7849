"""What the audits said against the measured truth: the numbers of the issue's table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tests.bench import cost
from tests.bench.planted import beside, judge_carried, judge_kinds, judge_victims, ranking
from tests.bench.planted.outcome import (
    COMMAND,
    NEGATIVE,
    POSITIVE,
    Outcome,
    effect,
    reliance,
)
from tests.bench.planted.scenario import CONTROL, DECOY, TWIN
from tests.bench.rows import NO_BOUND, Row
from xai_audit.schema import DISCOVERED

if TYPE_CHECKING:
    from collections.abc import Sequence

_WRONG = 0.02
_CONFIRMED = "confirmed"
_NO_CELLS = pd.DataFrame(columns=["scenario", "class_name", "cue", "positive", "verdict"])


def cells(outcome: Outcome) -> pd.DataFrame:
    """Cells whose truth is known: class_name, cue, positive, verdict, reliance, effect.

    Known are the planted cue of each label, as measured, and on the planted label each cue that
    holds no planted pixel: that the model cannot tell the twins by it was not measured but follows.
    A cell that the table does not have is no answer: verdict ``absent``, reliance 0, effect 0.
    """
    plant = outcome.scenario.plant
    if plant is None:
        return pd.DataFrame()
    known = {(label, plant.cue): row["truth"] for label, row in outcome.truth.items()}
    if plant.takes_away and outcome.scenario.twin:
        # To have lost nothing is this twin's mark: it is told in a row of its own.
        known.pop((outcome.scenario.other_twin, plant.cue), None)
    if outcome.scenario.twin:
        for cue in outcome.evidence["cue"].unique():
            # A discovered region's pixels are not known here.
            if cue != plant.cue and cue not in plant.left_out and not cue.startswith(DISCOVERED):
                known[outcome.scenario.planted, cue] = 0.0
    found = []
    for (label, cue), truth in known.items():
        if NEGATIVE < truth < POSITIVE:
            continue
        row = outcome.cell(label, cue)
        found.append(
            {
                "scenario": outcome.scenario.name,
                "class_name": label,
                "cue": cue,
                "truth": truth,
                "positive": truth >= POSITIVE,
                "verdict": row.get("verdict", "absent"),
                "reliance": reliance(row),
                "effect": effect(row),
            }
        )
    return pd.DataFrame(found)


def named_right(outcome: Outcome) -> bool:
    """Whether just the planted cue is confirmed for the planted label."""
    plant = outcome.scenario.plant
    named = {cue for label, cue in outcome.confirmed if label == outcome.scenario.planted}
    return plant is not None and named == {plant.cue}


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """A row for each line of the issue's table that these outcomes can fill."""
    twins = [o for o in outcomes if _everywhere(o)]
    decoys = [o for o in outcomes if o.scenario.kind == DECOY]
    controls = [o for o in outcomes if o.scenario.kind == CONTROL]
    others = [o for o in outcomes if o.scenario.kind not in {CONTROL, DECOY} and o not in twins]
    known = [cells(o) for o in [*twins, *decoys]]
    for other in [*others, *controls]:
        known += [judge_carried.planted_cells(other), judge_carried.negative_cells(other)]
    return [
        *_cell_rows(twins, decoys),
        *_decoy_rows(decoys),
        *_control_rows(controls),
        *_lost_rows(twins),
        *judge_carried.rows(others, controls),
        *judge_victims.rows(outcomes),
        *judge_kinds.rows(pd.concat([_NO_CELLS, *known]), [o.scenario for o in outcomes]),
        *_cost(outcomes),
    ]


def _everywhere(outcome: Outcome) -> bool:
    """Whether it is a twin with one artefact on every photo of one label and on no other's."""
    scenario = outcome.scenario
    whole = scenario.share == 1 and len(scenario.plants) == 1 and scenario.rival is None
    return scenario.kind == TWIN and whole


def _lost_rows(twins: Sequence[Outcome]) -> list[Row]:
    """The twin that is told by what the other's artefact has taken away: sharp against blurred."""
    told = []
    for outcome in twins:
        scenario, label = outcome.scenario, outcome.scenario.other_twin
        row = outcome.truth[label]
        if scenario.plant.takes_away and -row["truth"] >= POSITIVE:
            verdict = outcome.cell(label, scenario.plant.cue).get("verdict", "absent")
            told.append(f"{scenario.name} {label} ({-row['truth']:.2f}) {verdict}")
    what = "verdict on the twin whose photos lost nothing (its measured truth)"
    return [Row(what, NO_BOUND, ", ".join(told), True, COMMAND)] if told else []


def _cell_rows(twins: Sequence[Outcome], decoys: Sequence[Outcome]) -> list[Row]:
    frames = [frame for frame in map(cells, [*twins, *decoys]) if len(frame)]
    if not frames:
        return []
    all_cells = pd.concat(frames, ignore_index=True)
    good, bad = all_cells[all_cells.positive], all_cells[~all_cells.positive]
    # Only where the planted cue is one that the model was measured to rely on.
    used = [o for o in twins if o.truth[o.scenario.planted]["truth"] >= POSITIVE]
    missed = [f"{r.scenario} {r.cue}" for r in good.itertuples() if r.verdict != _CONFIRMED]
    wrong = [
        f"{r.scenario} {r.class_name}/{r.cue}" for r in bad.itertuples() if r.verdict == _CONFIRMED
    ]
    unnamed = [o.scenario.name for o in used if not named_right(o)]
    return [
        _at_least("recall of confirmed on positive cells", 0.95, len(good), missed),
        _at_most("confirmed on negative cells", _WRONG, len(bad), wrong),
        *ranking.rows(good, bad, "twins"),
        _at_least("the planted cue, and no other, is named", 0.90, len(used), unnamed),
        *beside.rows(all_cells, [*twins, *decoys], "twins"),
    ]  # fmt: skip


def _decoy_rows(decoys: Sequence[Outcome]) -> list[Row]:
    wrong, ignored = [], 0
    for outcome in decoys:
        label, plant = outcome.scenario.planted, outcome.scenario.plant
        if plant is None or outcome.truth[label]["truth"] > NEGATIVE:
            continue  # the model did use it
        ignored += 1
        table = outcome.evidence
        row = table[(table["class_name"] == label) & (table["cue"] == plant.cue)]
        verdict = row["verdict"].iloc[0] if len(row) else "absent"
        if verdict not in {"available", "suspected"}:
            wrong.append(f"{outcome.scenario.name} {verdict}")
    if not decoys:
        return []
    what = f"decoys that the model ignores ({ignored} of {len(decoys)} planted): not confirmed"
    return [_at_least(what, 1.0, ignored, wrong)]


def _control_rows(controls: Sequence[Outcome]) -> list[Row]:
    if not controls:
        return []
    told = [
        f"{o.scenario.name} {'/'.join(cell)}" for o in controls for cell in sorted(o.confirmed)[:1]
    ]
    return [_at_most("clean controls with any confirmed", 0.05, len(controls), told)]


def _cost(outcomes: Sequence[Outcome]) -> list[Row]:
    if not outcomes:
        return []
    forwards = pd.concat([o.evidence["forwards"] for o in outcomes])
    share = float(np.mean([o.evidence_share for o in outcomes]))
    decided = sum(int((o.evidence["verdict"] != "undetermined").sum()) for o in outcomes)
    return [
        *cost.rows(forwards, sum(o.apart for o in outcomes), share, COMMAND),
        cost.decided_row([o.forwards for o in outcomes], decided, COMMAND),
    ]


def _at_least(what: str, bound: float, count: int, wrong: Sequence[str]) -> Row:
    right = count - len(wrong)
    met = count > 0 and right >= bound * count
    return Row(what, f">= {bound}", _counted(right, count, wrong), met, COMMAND)


def _at_most(what: str, bound: float, count: int, wrong: Sequence[str]) -> Row:
    met = count > 0 and len(wrong) <= bound * count
    return Row(what, f"<= {bound}", _counted(len(wrong), count, wrong), met, COMMAND)


def _counted(found: int, count: int, wrong: Sequence[str]) -> str:
    text = f"{found} of {count} ({found / count:.3f})" if count else "none of 0"
    return text + (f": {', '.join(wrong)}" if wrong else "")
