"""verdict: availability, attention, effects and joint pairs -> ``evidence.parquet``; arithmetic."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from xai_audit.evidence.left_out import noted, warn
from xai_audit.evidence.plan import MIN_IMAGES
from xai_audit.evidence.readings import SurveyTables
from xai_audit.evidence.stages.joint import JOINT, limits_of, trusted
from xai_audit.evidence.stages.survey import photos_of, sampled
from xai_audit.run.files import read_notes, write_table
from xai_audit.run.record import fingerprint
from xai_audit.schema import EVIDENCE
from xai_audit.work.made_masks import MadeMasks
from xai_audit.work.parts import files_of, parts_mark, read_parts
from xai_audit.work.stage import Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xai_audit.evidence.left_out import LeftOut
    from xai_audit.work.audit import Audit

log = logging.getLogger(__name__)

_VERSION = 7
_MEASURED = ("availability", "attention", "transplant", "carriers", "joint")


def plan(audit: Audit) -> Plan:
    """No parts: verdicts are arithmetic over tables."""
    paths = audit.paths
    measured = [parts_mark(paths, name) for name in _MEASURED]
    # Only where cues are named: others' tables say that all were examined.
    named = [] if (cues := _requested(audit)) is None else [cues]
    limits, methods = vars(limits_of(audit)), audit.spec.method_names
    mark = fingerprint(measured, limits, trusted(audit), methods, *named, *_budget(audit).items())
    return Plan(mark, outputs=(paths.evidence,))


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Judge every cell."""
    from xai_audit.evidence.at_once import joint_effects
    from xai_audit.evidence.cell_rows import (
        cell_rows,
        core_accuracy,
        evidence_table,
        rests_on_masks,
        shares_left,
    )
    from xai_audit.evidence.pulls import carriers_of, victims_of
    from xai_audit.evidence.stages.carriers import CARRIERS
    from xai_audit.evidence.stages.transplant import TRANSPLANT
    from xai_audit.evidence.summary import transplant_frame
    from xai_audit.evidence.untold import with_untold
    from xai_audit.evidence.verdict import judge

    del parts
    paths = audit.paths
    frame = cell_rows(paths, audit.spec.method_names, trusted(audit))
    if frame.empty:  # not one photo can be decoded
        write_table(paths.evidence, EVIDENCE.empty_table())
        return {}
    frame["masks_made"] = rests_on_masks(frame, SurveyTables(paths).cues) & _are_made(audit)
    many, read = (photos_of(audit, rows) for rows in (audit.usable(), sampled(audit)))
    frame["sampled"] = [many[name] > read[name] for name in frame["class_name"]]
    stages = (JOINT, TRANSPLANT, CARRIERS)
    frame["carriers"] = carriers_of(frame, pq.read_table(paths.carriers))
    frame["victims"] = victims_of(frame, pq.read_table(paths.pulls))
    files = [files_of(paths, stage, read_parts(paths, stage.name)) for stage in stages]
    joint, single = transplant_frame(files[0]), transplant_frame([*files[1], *files[2]])
    left = shares_left(joint, single, least=MIN_IMAGES)
    judged = judge(frame, left, limits_of(audit), joint_effects(joint))
    if audit.settings.evidence.max_forwards is not None:
        asked = {part.args["class_name"] for part in read_parts(paths, JOINT.name)}
        judged = with_untold(judged, asked)
    judged["core_accuracy"] = core_accuracy(judged)
    write_table(paths.evidence, evidence_table(judged))
    counts = Counter(judged["verdict"]).most_common()
    found = ", ".join(f"{count} {verdict}" for verdict, count in counts)
    log.info("evidence: of %d classes x cues %s", len(judged), found)
    spent = [read_notes(file) for each in reversed(files) for file in each]
    survey, pairs = SurveyTables(paths), noted(spent)
    warn(pairs, "pairs")
    photos = survey.left_out
    return {
        "limits": vars(limits_of(audit)),
        "evidence": {
            "requested_cues": _requested(audit),
            "images_read": len(survey.ids),
            **_budget(audit),
            **{key: sum(int(n[key]) for n in spent) for key in ("forwards", "oom_retries")},
            # Cue -> photos in which it could not be read, pairs for which it failed.
            "left_out": {
                cue: {"photos": _count(photos, cue), "pairs": _count(pairs, cue)}
                for cue in sorted({*photos, *pairs})
            },
        },
    }


def _requested(audit: Audit) -> list[str] | None:
    """The names of the cues of ``cues=[...]``; None: all that the data allows."""
    return None if audit.settings.cues is None else [node["name"] for node in audit.spec.cues]


def _budget(audit: Audit) -> dict[str, Any]:
    """The forwards that the evidence was limited to, and the time and what for, where it was."""
    forwards, seconds = audit.settings.evidence.max_forwards, audit.settings.budget
    found = {} if forwards is None else {"max_forwards": forwards}
    if seconds is None:
        return found
    return found | {"budget": seconds, "first_look": audit.spec.is_look}


def _are_made(audit: Audit) -> bool:
    return isinstance(audit.masks, MadeMasks)


def _count(found: Mapping[str, LeftOut], cue: str) -> int:
    return found[cue].count if cue in found else 0


VERDICT = Stage(
    "verdict", "evidence", _VERSION, "evidence/verdict", plan, merge,
    needs=("joint", "attention"), reads=("trust",),
)  # fmt: skip
