"""joint: several cues of one class at once -> ``transplants/``, which of them it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xai_audit.evidence.at_once import set_key, set_pairs
from xai_audit.evidence.budget import affordable, budget_mark, share, telling
from xai_audit.evidence.cell_rows import cell_rows
from xai_audit.evidence.plan import MIN_IMAGES, Pair, shown
from xai_audit.evidence.readings import SurveyTables
from xai_audit.evidence.verdict import Limits, candidates, sets
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.schema import CARRIER_PULL, PULL, WHOLE
from xai_audit.work.parts import parts_mark, read_parts
from xai_audit.work.stage import Finished, Part, Plan, Stage, no_merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.evidence.budget import Name
    from xai_audit.evidence.plan import Cell
    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 3
_PAIRS = 12  # so many separate two overlapping cues, or show that a set is necessary


def limits_of(audit: Audit) -> Limits:
    """From where on a finding counts."""
    chosen = audit.settings.evidence
    return Limits(
        q=chosen.q,
        reliance=chosen.min_reliance,
        attention=chosen.min_attention,
        availability=chosen.min_availability,
        min_images=MIN_IMAGES,
    )


def trusted(audit: Audit) -> dict[str, bool | None]:
    """Method -> whether its maps are to be trusted, as far as they have been checked."""
    if not audit.is_current("trust"):
        return {}
    rows = pq.read_table(audit.paths.methods, columns=["method", "trusted"]).to_pylist()
    return {row["method"]: row["trusted"] for row in rows}


def plan(audit: Audit) -> Plan:
    """A part for every class with several cues that change its decision, alone or at once."""
    chosen, paths = audit.settings.evidence, audit.paths
    mark = fingerprint(
        _VERSION,
        parts_mark(paths, "transplant"),
        parts_mark(paths, "carriers"),
        parts_mark(paths, "availability"),
        parts_mark(paths, "attention"),  # it knows how wide a cue is
        [chosen.q, chosen.min_reliance, chosen.min_availability],
        budget_mark("joint", chosen.max_forwards),
    )

    def parts() -> list[Part]:
        rows, limits = cell_rows(paths, audit.spec.method_names, {}), limits_of(audit)
        found, together = candidates(rows, limits), sets(rows, limits)
        # No photo has what is put on for a test, so that none has it to put back.
        ways = {shown(key): way for key, way in SurveyTables(paths).ways.items()}
        measured = {p.args["class_name"]: p for p in read_parts(paths, "transplant")}
        carried = {p.args["class_name"]: p.fingerprint for p in read_parts(paths, "carriers")}
        made = []
        for name in sorted({*found, *together}):
            at_once = together.get(name, [])
            several = {cue: PULL for cues in at_once for cue in cues} | found.get(name, {})
            several = {cue: q for cue, q in several.items() if ways[cue] != "added"}
            if len(several) > 1:
                own = measured[name]
                fixed = fingerprint(_VERSION, own.fingerprint, carried.get(name), several, at_once)
                args = {"class_name": name, "questions": several, "sets": at_once}
                pairs = (len(several) * (len(several) - 1) + len(at_once)) * _PAIRS
                made.append(Part(own.number, fixed, args, 2 * pairs))
        return made if chosen.max_forwards is None else _afforded(audit, made)

    return Plan(mark, parts)


def _afforded(audit: Audit, parts: list[Part]) -> list[Part]:
    """Those of ``parts`` that the budget pays for, of the class with the most telling cue first."""
    worth: dict[Name, float] = {}
    for (name, _), value in telling(audit.paths).items():
        worth[name, ""] = max(value, worth.get((name, ""), 0.0))
    costs = {(part.args["class_name"], ""): part.size for part in parts}
    most = share("joint", audit.settings.evidence.max_forwards or 0)
    kept = affordable(costs, worth, most)
    return [part for part in parts if (part.args["class_name"], "") in kept]


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The pairs of each cue with the content of each other put back, and of cues at once."""
    from xai_audit.evidence.left_out import note
    from xai_audit.evidence.measure import measured_jointly
    from xai_audit.evidence.source import transplanter_of
    from xai_audit.evidence.stages.transplant import cells_of, planning_of
    from xai_audit.evidence.store import Store

    planning = planning_of(audit)
    own = {part.number: part.args for part in read_parts(audit.paths, "transplant")}
    budget = audit.settings.evidence.max_forwards
    cells = {p.number: cells_of(planning, own[p.number], budget) for p in parts}
    at_once = {part.number: _at_once(cells[part.number], part) for part in parts}
    keys = {key: [c.cue for c in cells] for one in at_once.values() for key, cells in one.items()}
    transplanter, usable = transplanter_of(audit, keys), planning.survey.usable_ids
    store = Store(audit, "joint", _VERSION, keys)
    for part in parts:
        transplanter.before = store.opened([part])
        before, name = transplanter.spent(), part.args["class_name"]
        table = measured_jointly(
            transplanter,
            _wanted(cells[part.number], audit.paths, part),
            usable=usable,
            pairs=_PAIRS,
            progress=progress,
            sets=[
                pair
                for key, cells in at_once[part.number].items()
                for pair in set_pairs(cells, key, usable, _PAIRS)
            ],
        )
        failed = [p for one, p in transplanter.problems.items() if one.class_name == name]
        notes = transplanter.spent(before).notes() | note(failed)
        yield Finished(part, table, notes, store.kept(transplanter.before, part))


def _at_once(measured: Sequence[Cell], part: Part) -> dict[str, list[Cell]]:
    """Key of a set of cues -> their cells."""
    name = part.args["class_name"]
    cells = {shown(cell.cue): cell for cell in measured}
    return {set_key(cues, name): [cells[cue] for cue in cues] for cues in part.args["sets"]}


def _wanted(measured: Sequence[Cell], paths: RunPaths, part: Part) -> list[tuple[Cell, str, str]]:
    """(cell, the question that confirmed it, key of the other cue).

    Pairs of carriers, and of whole photos, stand in the place of pull.
    """
    questions = part.args["questions"]
    cells = {shown(cell.cue): cell for cell in measured}
    for cue, question in questions.items():
        if question == WHOLE:
            cells[cue] = replace(cells[cue], reliance=(), pull=cells[cue].whole)
    carried = [cue for cue, question in questions.items() if question == CARRIER_PULL]
    if carried:
        rows = pq.read_table(RunPaths.part(paths.transplants, part.number, prefix="carriers"))
        for cue in carried:
            pairs = tuple(_pair(cells[cue], row) for row in _of(rows, cue))
            cells[cue] = replace(cells[cue], reliance=(), pull=pairs)
    return [
        (cells[cue], question if cells[cue].reliance else PULL, cells[other].cue)
        for cue, question in questions.items()
        for other in questions
        if other != cue
    ]


def _of(rows: pa.Table, cue: str) -> list[dict[str, Any]]:
    """The rows of the carriers' pull by ``cue``."""
    mine = pc.and_(
        pc.equal(rows.column("cue"), cue), pc.equal(rows.column("question"), CARRIER_PULL)
    )
    found: list[dict[str, Any]] = rows.filter(mine).to_pylist()
    return found


def _pair(cell: Cell, row: dict[str, Any]) -> Pair:
    photos = (row[name] for name in ("image_id", "donor_with", "donor_without"))
    return Pair(cell.class_name, cell.cue, CARRIER_PULL, *photos)


JOINT = Stage(
    "joint", "evidence", _VERSION, "transplants", plan, no_merge, work,
    needs=("carriers", "attention"), prefix="joint",
)  # fmt: skip
