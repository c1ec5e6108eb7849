"""evidence: cues, scores and the model -> what is available, attended and relied on.

survey      a sample of photos and the scores -> availability and attention of every cue
plan        what is available                 -> which photos get whose cue
transplant  photos, donors and the model      -> transplants/, reliance and pull
judge       all of them                       -> evidence.parquet, summary.parquet
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from xai_audit.attribute.parts import FINGERPRINT, drop_stale, pending
from xai_audit.evidence.cell_rows import (
    Answers,
    cell_rows,
    core_accuracy,
    evidence_table,
    shares_left,
)
from xai_audit.evidence.cells import planned_cells
from xai_audit.evidence.harm import groups
from xai_audit.evidence.measure import beyond, measured, plan_text
from xai_audit.evidence.plan import PULL, Cell, shown
from xai_audit.evidence.summary import summary_table
from xai_audit.evidence.survey import Survey, survey
from xai_audit.evidence.together import ALL
from xai_audit.evidence.verdict import Limits, candidates, judge
from xai_audit.run.files import is_readable, write_table
from xai_audit.run.paths import RunPaths
from xai_audit.run.progress import progress_bar
from xai_audit.run.record import code_version, fingerprint
from xai_audit.schema import EVIDENCE, GROUPS, SUMMARY
from xai_audit.stages.inquiry import CODE, Inquiry, cue_marks

if TYPE_CHECKING:
    from pathlib import Path

    from xai_audit.stages.context import Audit

log = logging.getLogger(__name__)

_CODE = CODE
# Classes a part of the transplants: what a kill can cost.
_CLASSES = 4
# The part that holds the pairs with another cue's content put back.
_APART = 99_999
# Fewer pairs answer nothing; so many tell two overlapping cues apart.
_MIN_IMAGES, _BEYOND = 6, 12


def run(audit: Audit) -> None:
    """Ask the three questions anew unless everything that they depend on is as it was."""
    audit.needs("score")
    found = fingerprint(
        audit.record.current("score"),
        _trusted(audit),
        audit.record.current("discover"),
        asdict(audit.settings.evidence),
        cue_marks(audit),
        audit.settings.seed,
        audit.model[0].head,
        audit.compute.precision,
        code_version(*_CODE),
    )
    files = (audit.paths.evidence, audit.paths.summary, audit.paths.groups)
    if audit.record.is_current("evidence", found) and all(map(is_readable, files)):
        return
    audit.record.begin("evidence")
    with audit.record.timed("evidence", resumed=False):
        _ask(Inquiry(audit))
    audit.record.finished("evidence", found)


def _ask(inquiry: Inquiry) -> None:
    """Survey, plan, transplant, judge, write."""
    audit = inquiry.audit
    paths, chosen = audit.paths, audit.settings.evidence
    first = _surveyed(inquiry)
    if not first.roster.names:  # not one photo can be decoded
        for path, schema in ((paths.summary, SUMMARY), (paths.groups, GROUPS)):
            write_table(path, schema.empty_table())
        write_table(paths.evidence, EVIDENCE.empty_table())
        return
    ways = {key: cue.way for key, cue in inquiry.cues.items()}
    cells = planned_cells(first, ways, chosen.images_per_class)
    transplants = _transplanted(inquiry, cells)
    limits = Limits(
        q=chosen.q,
        reliance=chosen.min_reliance,
        attention=chosen.min_attention,
        availability=chosen.min_availability,
        min_images=_MIN_IMAGES,
    )
    answers = _answers(first, cells, transplants, ways)
    kinds = first.kinds([method["name"] for method in audit.keys["methods"]])
    frame = cell_rows(answers, kinds, _trusted(audit))
    apart = _apart(inquiry, first, cells, candidates(frame, limits))
    judged = judge(frame, shares_left(apart, transplants, least=_MIN_IMAGES), limits)
    judged["core_accuracy"] = core_accuracy(judged)
    write_table(paths.summary, summary_table(answers))
    write_table(paths.groups, groups(paths))
    write_table(paths.evidence, evidence_table(judged))
    audit.record.content["evidence"] = {
        "images_read": len(first.readings.rows),
        "forwards": inquiry.transplanter.forwards,
        "oom_retries": inquiry.transplanter.adaptive.retries,
    }
    told = ", ".join(f"{n} {verdict}" for verdict, n in Counter(judged["verdict"]).most_common())
    log.info("evidence: of %d classes x cues %s", len(judged), told)


def _trusted(audit: Audit) -> dict[str, bool | None]:
    """Method -> whether its maps are to be trusted, as far as they have been checked."""
    if audit.record.current("trust") is None or not is_readable(audit.paths.methods):
        return {}
    rows = pq.read_table(audit.paths.methods, columns=["method", "trusted"]).to_pylist()
    return {row["method"]: row["trusted"] for row in rows}


def _surveyed(inquiry: Inquiry) -> Survey:
    audit = inquiry.audit
    total, bar = len(inquiry.subjects.sampled), audit.settings.progress
    with progress_bar("evidence: cues", total=total, bar=bar) as progress:
        return survey(
            inquiry.source,
            list(inquiry.cues.values()),
            inquiry.subjects,
            audit.paths,
            grid=audit.model[0].grid,
            progress=audit.stop.stopping(progress),
        )


def _transplanted(inquiry: Inquiry, cells: list[Cell]) -> pd.DataFrame:
    """The pairs of every cell; parts that stand already are not measured again."""
    audit, folder = inquiry.audit, inquiry.audit.paths.transplants
    names = list(dict.fromkeys(cell.class_name for cell in cells))
    starts = range(0, len(names), _CLASSES)
    plan = {number: range(s, min(s + _CLASSES, len(names))) for number, s in enumerate(starts)}
    mark = inquiry.mark(plan_text(cells))
    todo = pending(folder, mark, plan)
    if todo:
        drop_stale(folder, mark, plan)
    with progress_bar("evidence: transplants", total=None, bar=audit.settings.progress) as progress:
        for number, span in todo.items():
            mine = {names[place] for place in span}
            part = [cell for cell in cells if cell.class_name in mine]
            table = measured(
                inquiry.transplanter, part, inquiry.scope, audit.stop.stopping(progress)
            )
            write_table(RunPaths.part(folder, number), table, {FINGERPRINT: mark})
    return _frame(*(RunPaths.part(folder, number) for number in plan))


def _apart(
    inquiry: Inquiry,
    first: Survey,
    cells: list[Cell],
    confirmed: dict[str, dict[str, str]],
) -> pd.DataFrame:
    """The pairs that tell the confirmed cues of one class apart.

    Args:
        inquiry: rows, cues and model.
        first: what was read of the cues.
        cells: the plan.
        confirmed: class -> cue -> the question that confirmed it.
    """
    audit = inquiry.audit
    by_name = {(cell.class_name, shown(cell.cue)): cell for cell in cells}
    wanted = [
        (cell, question if cell.reliance else PULL, by_name[name, o].cue)
        for name, cues in sorted(_natural(confirmed, inquiry).items())
        for cue, question in cues.items()
        for cell in [by_name[name, cue]]
        for o in cues
        if o != cue
    ]
    mark = inquiry.mark([[cell.class_name, cell.cue, *rest] for cell, *rest in wanted], _BEYOND)
    target = RunPaths.part(audit.paths.transplants, _APART)
    if pending(audit.paths.transplants, mark, {_APART: range(1)}):
        with progress_bar(
            "evidence: telling apart", total=None, bar=audit.settings.progress
        ) as progress:
            table = beyond(
                inquiry.transplanter,
                wanted,
                inquiry.scope,
                usable=first.usable_rows(),
                pairs=_BEYOND,
                progress=audit.stop.stopping(progress),
            )
        write_table(target, table, {FINGERPRINT: mark})
    return _frame(target)


def _natural(confirmed: dict[str, dict[str, str]], inquiry: Inquiry) -> dict[str, dict[str, str]]:
    """Without what is put on photos for a test: no photo has it, so none has it to put back."""
    added = {shown(key) for key, cue in inquiry.cues.items() if cue.way == "added"}
    return {
        name: {cue: question for cue, question in cues.items() if cue not in added}
        for name, cues in confirmed.items()
    }


def _frame(*parts: Path) -> pd.DataFrame:
    frames: list[pd.DataFrame] = [pq.read_table(part).to_pandas() for part in parts]
    return pd.concat(frames, ignore_index=True)


def _answers(
    first: Survey,
    cells: list[Cell],
    transplants: pd.DataFrame,
    ways: dict[str, str],
) -> Answers:
    roster = first.roster
    return Answers(
        cells=[cell for cell in cells if cell.cue != ALL],
        ways=ways,
        transplants=transplants,
        availability=first.available,
        attention=first.attended,
        classes=roster.classes,
        names=roster.names,
        correct=np.array([first.seen.correct.get(image_id, False) for image_id in roster.ids]),
        usable={key: reading.usable for key, reading in first.readings.cues.items()},
        seed=roster.seed,
    )
