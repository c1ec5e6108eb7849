"""transplant: photos, donors and the model -> ``transplants/``, reliance and pull of every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xai_audit.evidence.budget import allotted, budget_mark, share, telling, within
from xai_audit.evidence.cells import Planning, cells_text
from xai_audit.evidence.content import Content
from xai_audit.evidence.readings import SurveyTables
from xai_audit.evidence.source import cue_marks
from xai_audit.run.files import write_table
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.work.parts import files_of, parts_mark
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xai_audit.evidence.plan import Cell
    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 6
# Of the code that makes a pair's row; of another its stored rows are measured again.
_PAIRS = 5
# Classes that share decoded photos and worker processes, and how many photos of classes with few
# make them more: what a kill can cost.
_TOGETHER, _SMALL = 4, 256


def planning_of(audit: Audit) -> Planning:
    """What decides which photos are transplanted."""
    survey = SurveyTables(audit.paths)
    names = survey.present(audit.labels)
    return Planning(survey, names, audit.settings.seed, audit.settings.evidence.images_per_class)


def plan(audit: Audit) -> Plan:
    """A part for every class with photos in the survey."""
    chosen, paths = audit.settings.evidence, audit.paths
    same = fingerprint(
        _VERSION,
        audit.facts.mark,
        audit.facts.precision,
        cue_marks(audit),
        [chosen.stop_below, chosen.sequential, audit.settings.seed],
        audit.settings.max_pixels,
    )

    def parts() -> list[Part]:
        planning = planning_of(audit)
        contents = Content(audit, planning.survey.ids)
        pairs_of = _allotted(audit, planning)
        found = []
        for number, name in enumerate(planning.names):
            args = {"class_name": name} | ({} if pairs_of is None else {"pairs": pairs_of[name]})
            cells = cells_of(planning, args, chosen.max_forwards)
            ids = {one for cell in cells for pair in cell.pairs for one in pair.photos}
            content = contents.of(ids, name)
            mark = fingerprint(same, cells_text(cells), planning.clusters_of(ids), content)
            pairs = sum(len(cell.pairs) for cell in cells)
            found.append(Part(number, mark, args, 2 * pairs))
        return found

    mark = fingerprint(
        same,
        chosen.images_per_class,
        budget_mark("transplant", chosen.max_forwards),
        parts_mark(paths, "survey"),
        parts_mark(paths, "availability"),
        None if chosen.max_forwards is None else parts_mark(paths, "attention"),
    )
    return Plan(mark, parts, (paths.summary,))


def _allotted(audit: Audit, planning: Planning) -> dict[str, dict[str, list[int]]] | None:
    """Class -> cue -> pairs of each question that the budget reaches; None without a budget."""
    budget = audit.settings.evidence.max_forwards
    if budget is None:
        return None
    counts = {
        (name, cell.cue): [len(pairs) for pairs in cell.questions]
        for name in planning.names
        for cell in planning.cells(name)
    }
    found: dict[str, dict[str, list[int]]] = {name: {} for name in planning.names}
    reached = allotted(counts, telling(audit.paths), share("transplant", budget))
    for (name, cue), pairs in reached.items():
        found[name][cue] = pairs
    return found


def cells_of(planning: Planning, args: Mapping[str, Any], budget: int | None) -> list[Cell]:
    """The cells of a part's class, with the pairs that the budget reaches.

    Args:
        planning: of the run.
        args: of the part.
        budget: of forwards; None: all pairs.
    """
    cells, pairs = planning.cells(args["class_name"]), args.get("pairs")
    if pairs is None or budget is None:
        return cells
    return [within(cell, pairs[cell.cue], budget) for cell in cells]


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The pairs of a class measured, and the effects that they show."""
    from xai_audit.evidence.effects import CueFacts, effects_table
    from xai_audit.evidence.left_out import note
    from xai_audit.evidence.measure import measured
    from xai_audit.evidence.source import transplanter_of
    from xai_audit.evidence.store import Store

    store = Store(audit, "transplant", _PAIRS)
    planning, transplanter = planning_of(audit), transplanter_of(audit)
    chosen = audit.settings.evidence
    for some in _together(parts):
        cells = {part.number: cells_of(planning, part.args, chosen.max_forwards) for part in some}
        before, transplanter.before = transplanter.spent(), store.opened(some)
        table = measured(
            transplanter,
            [cell for each in cells.values() for cell in each],
            clusters=planning.clusters,
            limit=chosen.stop_below,
            sequential=chosen.sequential,
            progress=progress,
        )
        spent = transplanter.spent(before)
        frame = table.to_pandas()
        places = frame.groupby("class_name").indices
        for part in some:
            name = part.args["class_name"]
            mine, pools = places.get(name, np.empty(0, np.intp)), planning.of(name).pools
            effects = effects_table(
                cells[part.number],
                frame.iloc[mine],
                cues={
                    key: CueFacts(way, len(pools[key][name]), planning.included[key])
                    for key, way in planning.survey.ways.items()
                },
                clusters=planning.clusters,
                seed=audit.settings.seed,
            )
            # Retries are noted with the last part.
            failed = [p for one, p in transplanter.problems.items() if one.class_name == name]
            notes = {"forwards": str(transplanter.forwards[name]), "oom_retries": "0"}
            notes |= note(failed)
            if part is some[-1]:
                notes["oom_retries"] = str(spent.oom_retries)
            beside = (RunPaths.part(audit.paths.effects, part.number), part.fingerprint, effects)
            kept = store.kept(transplanter.before, part)
            yield Finished(part, table.take(mine), notes, [beside, *kept])


def _together(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts in their order, several at a time."""
    some: list[Part] = []
    for part in parts:
        if len(some) >= _TOGETHER and sum(one.size for one in some) + part.size > _SMALL:
            yield some
            some = []
        some.append(part)
    if some:
        yield some


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write how much accuracy rests on each cue."""
    from xai_audit.evidence.summary import summary_table, transplant_frame

    frame = transplant_frame(files_of(audit.paths, TRANSPLANT, parts))
    table = summary_table(frame, RunPaths.parts(audit.paths.effects))
    write_table(audit.paths.summary, table)
    return {}


TRANSPLANT = Stage(
    "transplant", "evidence", _VERSION, "transplants", plan, merge, work,
    needs=("availability", "attention"), beside=("evidence/effects",),
)  # fmt: skip
