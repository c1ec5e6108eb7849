"""Builds every scenario, audits it with the product's own command, judges what that says."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pandas as pd

from tests.bench import cost
from tests.bench.child import REPO, audit_command, finished
from tests.bench.planted import scenarios
from tests.bench.planted.build import built, overrides, weights_file
from tests.bench.planted.judge import COMMAND, Outcome, rows
from tests.bench.planted.plants import REGIONS
from tests.bench.rows import NO_BOUND, Row, skipped
from xai_audit.run.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.planted.scenario import Scenario

log = logging.getLogger(__name__)

CACHE = REPO / "outputs" / "planted"
_QUICK = ("border_flat", "text_bottom_right", "decoy_border_stripes", "control_flowers17_00")


def run(shared: Path, quick: bool) -> list[Row]:
    """The rows of the issue's table. What is built or audited is kept: again it is only judged."""
    if not weights_file(shared).is_file():
        return [skipped("planted shortcuts", NO_BOUND, "no real photos and weights", COMMAND)]
    asked = [*scenarios.twins(), *scenarios.decoys(), *scenarios.controls()]
    if quick:
        asked = [scenario for scenario in asked if scenario.name in _QUICK]
    return rows([outcome(scenario, shared, CACHE) for scenario in asked])


def outcome(scenario: Scenario, shared: Path, cache: Path) -> Outcome:
    """The scenario built and audited; the command itself resumes an audit that is current."""
    root = built(scenario, shared, cache)
    paths = RunPaths(root / "audit")
    finished(audit_command(overrides(scenario, root)))
    done = read(scenario, root, paths)
    log.info("%s", told(done))
    return done


def read(scenario: Scenario, root: Path, paths: RunPaths) -> Outcome:
    """What truth.json and the files of a finished audit say."""
    truth = json.loads((root / "truth.json").read_text(encoding="utf-8"))
    scores = pd.read_parquet(paths.scores)
    labels = scores[scores["target_kind"] == "label"].groupby("class_name")
    mass = labels[[f"mass_{region}" for region in REGIONS]].mean()
    mass.columns = pd.Index(REGIONS)
    return Outcome(
        scenario=scenario,
        truth=truth["labels"],
        evidence=pd.read_parquet(paths.evidence),
        mass=mass,
        apart=cost.apart(paths),
        evidence_share=cost.evidence_share(paths),
    )


def told(done: Outcome) -> str:
    """The scenario's truth and what was confirmed, as text."""
    truth = pd.DataFrame(done.truth).T.round(2).to_string()
    confirmed = ", ".join("/".join(cell) for cell in sorted(done.confirmed)) or "nothing"
    return f"{done.scenario.name}\n{truth}\n  confirmed: {confirmed}"
