"""Made-up parts of the stages of evidence: surveys, separations, pairs, carriers."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from xai_audit import schema
from xai_audit.evidence import columns
from xai_audit.evidence.effects import CueFacts, effects_table
from xai_audit.evidence.plan import Pair, shown
from xai_audit.evidence.readings import SurveyTables
from xai_audit.evidence.rounds import first_pairs
from xai_audit.evidence.source import cues_of
from xai_audit.evidence.stages.carriers import CARRIERS, _screens, screening_of
from xai_audit.evidence.stages.transplant import cells_of, planning_of
from xai_audit.run.paths import RunPaths
from xai_audit.work.parts import read_parts
from xai_audit.work.stage import Finished

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xai_audit.evidence.cells import Planning
    from xai_audit.evidence.screens import Screening
    from xai_audit.work.audit import Audit
    from xai_audit.work.stage import Part

_DESCRIPTORS, _GRID = 8, 7
# Cues that some classes rely on: every so-many-th.
_USED, _RELIANT = ("border", "colour"), 10
_EFFECT = 0.5
_JOINT_PAIRS = 12
_SPENT = {"forwards": "0", "oom_retries": "0"}


def evidence_makers(audit: Audit) -> dict[str, Callable[[Part], Finished]]:
    """Stage -> what makes up a part of it."""
    made = _Evidence(audit)
    names = ("survey", "availability", "attention", "transplant", "carriers", "joint")
    return {name: getattr(made, name) for name in names}


class _Evidence:
    def __init__(self, audit: Audit) -> None:
        self.audit = audit

    def survey(self, part: Part) -> Finished:
        """Random hashes, descriptors and levels; regions of one size."""
        rng, ids = np.random.default_rng([part.number, 3]), part.args["image_ids"]
        rows: list[dict[str, Any]] = []
        for one in ids:
            number = int(rng.integers(0, 2**63))
            for key, cue in self._cues.items():
                row: dict[str, Any] = {"image_id": one, "cue": key, "hash": number}
                row["descriptors"] = rng.random(_DESCRIPTORS, np.float32)
                if key == "border" or key.startswith("corner"):
                    row |= {"region": np.full(_GRID * _GRID, 0.3, np.float32), "area": 0.3}
                if cue.way == "down":
                    row["level"] = float(rng.random())
                rows.append(row)
        return Finished(part, pa.Table.from_pylist(rows, schema=columns.SURVEY))

    def availability(self, part: Part) -> Finished:
        """No cue alone tells a class."""
        rng, count = np.random.default_rng([part.number, 4]), len(self._present)
        rows = [
            {
                **{"cue": part.args["cue"], "class_name": name, "value": 0.5, "low": 0.45},
                **{"high": 0.55, "p": float(rng.random()), "n_groups": n},
                **{"accuracy_agree": 0.8, "accuracy_disagree": 0.8},
                **{"n_agree": n // 2, "n_disagree": n - n // 2},
                **{"presence": rng.random(n), "likeness": rng.random(count)},
            }
            for name, n in self._present.items()
        ]
        return Finished(part, pa.Table.from_pylist(rows, schema=columns.AVAILABILITY))

    def attention(self, part: Part) -> Finished:
        """As much relevance as is expected; none for a property."""
        rng, cue = np.random.default_rng([part.number, 5]), part.args["cue"]
        placed = cue == "border" or cue.startswith("corner")
        rows = [
            {
                **{"cue": cue, "class_name": name, "method": "gradcam", "target_kind": kind},
                **{"value": 0.0, "low": -0.01, "high": 0.01, "p": float(rng.random())},
                **{"mass": 0.3, "area": 0.3, "masses": rng.random(n, np.float32)},
            }
            for name, n in (self._present.items() if placed else ())
            for kind in ("label", "contrast")
        ]
        return Finished(part, pa.Table.from_pylist(rows, schema=columns.ATTENTION))

    def transplant(self, part: Part) -> Finished:
        """All planned pairs, and the effects that they show."""
        planning, name = self._planning, part.args["class_name"]
        cells = cells_of(planning, part.args, None)
        rows = self._rows([pair for cell in cells for pair in cell.pairs], part)
        effects = effects_table(
            cells,
            rows.to_pandas(),
            cues={
                key: CueFacts(way, len(planning.pools[key][name]), planning.included[key])
                for key, way in planning.survey.ways.items()
            },
            clusters=planning.clusters,
            seed=self.audit.settings.seed,
        )
        beside = RunPaths.part(self.audit.paths.effects, part.number), part.fingerprint, effects
        return Finished(part, rows, _SPENT, [beside])

    def carriers(self, part: Part) -> Finished:
        """The first round of every screen, in which nobody is found."""
        screens = _screens(self._screening, part.args)
        pairs = [pair for screen in screens for pair in first_pairs(screen)]
        carried = [
            {"class_name": s.class_name, "cue": s.cue, "n_screened": len(s.donors), "forwards": 0}
            | {"n_carriers": 0, "n_carrier_pairs": 0}
            for s in screens
        ]
        made = (
            pa.Table.from_pylist(carried, schema=columns.CARRIED),
            schema.CARRIERS.empty_table(),
        )
        also = [
            (RunPaths.part(self.audit.paths.root / folder, part.number), part.fingerprint, each)
            for folder, each in zip(CARRIERS.beside, made, strict=True)
        ]
        return Finished(part, self._rows(pairs, part), _SPENT, also)

    def joint(self, part: Part) -> Finished:
        """Nothing of a cue's effect is left with the other's content put back."""
        cells = cells_of(self._planning, self._typical[part.number], None)
        several = [cell for cell in cells if shown(cell.cue) in part.args["questions"]]
        found: list[tuple[Pair, str | None]] = [
            (pair, shown(other.cue))
            for cell in several
            for other in several
            for pair in cell.reliance[:_JOINT_PAIRS]
            if other is not cell
        ]
        rows = self._rows([pair for pair, _ in found], part, effect=0.0)
        given = pa.array([other for _, other in found], pa.string())
        place = schema.TRANSPLANTS.get_field_index("given")
        return Finished(
            part, rows.set_column(place, schema.TRANSPLANTS.field(place), given), _SPENT
        )

    def _rows(self, pairs: Sequence[Pair], part: Part, *, effect: float = _EFFECT) -> pa.Table:
        """Rows of ``pairs``; what some classes rely on changes their probability by ``effect``."""
        rng = np.random.default_rng([part.number, 6])
        reliant = part.number % _RELIANT == 0
        change = np.array([effect * (reliant and pair.cue in _USED) for pair in pairs])
        after = rng.uniform(0.2, 0.25, len(pairs))
        before = after + change + rng.normal(0, 0.01, len(pairs))
        rows = [
            {
                **{"class_name": pair.class_name, "cue": shown(pair.cue)},
                **{"question": pair.question, "image_id": pair.image},
                **{"image_class": self._class_of[pair.image]},
                **{"donor_with": pair.donor_with, "donor_without": pair.donor_without},
                **{"donor_without_class": self._class_of[pair.donor_without]},
                **{"p_with": float(with_), "p_without": float(without)},
                **{"log_odds_with": float(np.log(with_ / (1 - with_)))},
                **{"log_odds_without": float(np.log(without / (1 - without)))},
                **{"correct_with": True, "correct_without": True},
                **{"predicted_with": False, "predicted_without": False},
            }
            for pair, with_, without in zip(pairs, before, after, strict=True)
        ]
        return pa.Table.from_pylist(rows, schema=schema.TRANSPLANTS)

    @cached_property
    def _cues(self) -> dict[str, Any]:
        return cues_of(self.audit)

    @cached_property
    def _planning(self) -> Planning:
        return planning_of(self.audit)

    @cached_property
    def _screening(self) -> Screening:
        return screening_of(self.audit)

    @cached_property
    def _typical(self) -> dict[int, Any]:
        return {part.number: part.args for part in read_parts(self.audit.paths, "transplant")}

    @cached_property
    def _present(self) -> dict[str, int]:
        """Class -> its photos in the survey, in the order of the labels."""
        names, counts = np.unique(SurveyTables(self.audit.paths).classes, return_counts=True)
        found = dict(zip(names.tolist(), counts.tolist(), strict=True))
        return {name: found[name] for name in self.audit.labels if name in found}

    @cached_property
    def _class_of(self) -> dict[str, str]:
        survey = SurveyTables(self.audit.paths)
        return dict(zip(survey.ids, survey.classes.tolist(), strict=True))
