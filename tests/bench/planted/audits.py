"""Builds every scenario, audits it with the product's own command, judges what that says."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pandas as pd

from tests.bench import cost
from tests.bench.child import REPO, ChildError, audit_command, finished
from tests.bench.planted import dose, scenarios, strip
from tests.bench.planted.build import built, overrides, weights_file
from tests.bench.planted.carried import carried
from tests.bench.planted.judge import rows
from tests.bench.planted.outcome import COMMAND, Outcome, table_if_there
from tests.bench.planted.plants import REGIONS
from tests.bench.planted.varied import varied
from tests.bench.rows import NO_BOUND, Row, skipped
from xai_audit.run.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.planted.scenario import Scenario

log = logging.getLogger(__name__)

CACHE = REPO / "outputs" / "planted"
PLOT = REPO / "outputs" / "planted" / "dose_response.png"
_QUICK = ("border_flat", "text_bottom_right", "decoy_border_stripes", "control_flowers17_00")


def run(shared: Path, quick: bool, only: str = "") -> list[Row]:
    """The rows of the issue's table. What is built or audited is kept: again it is only judged.

    Args:
        shared: where photos and weights are.
        quick: whether a few scenarios are enough.
        only: scenarios whose name contains it; empty: all.

    Raises:
        ChildError: no scenario is so called, or an audit failed.
    """
    if not weights_file(shared).is_file():
        return [skipped("planted shortcuts", NO_BOUND, "no real photos and weights", COMMAND)]
    done = [outcome(scenario, shared, CACHE) for scenario in requested(quick, only)]
    dose.plotted(done, PLOT)
    return rows(done)


def requested(quick: bool, only: str) -> list[Scenario]:
    """The scenarios to judge; see :func:`run`."""
    known = [*scenarios.twins(), *scenarios.decoys(), *scenarios.controls(), *carried(), *varied()]
    found = [s for s in known if only in s.name and (s.name in _QUICK or not quick)]
    if not found:
        raise ChildError(f"no scenario whose name contains {only!r}: {known[0].name}, ...")
    return found


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
        evidence_share=cost.share(paths, "evidence"),
        carriers=truth["carriers"],
        n_photos=labels.size().to_dict(),
        strip=strip.by_class(paths.attributions),
        found_carriers=table_if_there(paths.root / "carriers.parquet"),
        victims=truth["victims"],
        pulls=table_if_there(paths.root / "pulls.parquet"),
        forwards=cost.forwards(paths),
    )


def told(done: Outcome) -> str:
    """The scenario's truth and what was confirmed, as text."""
    truth = pd.DataFrame(done.truth).T.round(2).to_string()
    confirmed = ", ".join("/".join(cell) for cell in sorted(done.confirmed)) or "nothing"
    return f"{done.scenario.name}\n{truth}\n  confirmed: {confirmed}"
