"""transplant: photos, donors and the model -> ``transplants/``, reliance and pull of every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.evidence.cells import Planning, cells_text
from xai_audit.evidence.readings import SurveyTables
from xai_audit.evidence.source import clusters, cue_marks
from xai_audit.run.files import write_table
from xai_audit.run.manifest import content_fingerprint
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.work.parts import files_of, parts_mark
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 3
_TOGETHER = 4  # classes that share decoded photos and worker processes; what a kill can cost


def planning_of(audit: Audit) -> Planning:
    """What decides which photos are transplanted."""
    survey = SurveyTables(audit.paths)
    present = {*survey.classes.tolist()}
    names = [name for name in audit.labels if name in present]
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
        planning, rows = planning_of(audit), audit.usable()
        found = []
        for number, name in enumerate(planning.names):
            cells = planning.cells(name)
            ids = {one for cell in cells for pair in cell.pairs for one in pair.photos}
            content = content_of(audit, rows, ids, name)
            mark = fingerprint(same, cells_text(cells), planning.clusters_of(ids), content)
            pairs = sum(len(cell.pairs) for cell in cells)
            found.append(Part(number, mark, {"class_name": name}, 2 * pairs))
        return found

    mark = fingerprint(
        same,
        chosen.images_per_class,
        parts_mark(paths, "survey"),
        parts_mark(paths, "availability"),
    )
    return Plan(mark, parts, (paths.summary,))


def content_of(audit: Audit, rows: pa.Table, ids: set[str], name: str) -> list[Any]:
    """What lies in photos ``ids`` and their masks, and the regions discovered in class ``name``."""
    found = pc.is_in(rows.column("image_id"), value_set=pa.array(sorted(ids), pa.string()))
    mine = rows.filter(found)
    regions = [row for row in clusters(audit) if row["class_name"] == name]
    return [content_fingerprint(mine), audit.mask_mark(mine), regions]


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The pairs of a class measured, and the effects that they show."""
    from xai_audit.evidence.effects import CueFacts, effects_table
    from xai_audit.evidence.left_out import note
    from xai_audit.evidence.measure import measured
    from xai_audit.evidence.source import transplanter_of

    planning, transplanter = planning_of(audit), transplanter_of(audit)
    chosen = audit.settings.evidence
    for start in range(0, len(parts), _TOGETHER):
        some = parts[start : start + _TOGETHER]
        cells = {part.number: planning.cells(part.args["class_name"]) for part in some}
        before = transplanter.spent()
        table = measured(
            transplanter,
            [cell for each in cells.values() for cell in each],
            clusters=planning.clusters,
            limit=chosen.stop_below,
            sequential=chosen.sequential,
            progress=progress,
        )
        spent = transplanter.spent(before)
        for part in some:
            name = part.args["class_name"]
            mine = table.filter(pc.equal(table.column("class_name"), name)).combine_chunks()
            effects = effects_table(
                cells[part.number],
                mine.to_pandas(),
                cues={
                    key: CueFacts(way, len(planning.pools[key][name]), planning.included[key])
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
            yield Finished(part, mine, notes, [beside])


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write how much accuracy rests on each cue."""
    from xai_audit.evidence.summary import summary_table, transplant_frame

    frame = transplant_frame(files_of(audit.paths, TRANSPLANT, parts))
    table = summary_table(frame, RunPaths.parts(audit.paths.effects))
    write_table(audit.paths.summary, table)
    return {}


TRANSPLANT = Stage(
    "transplant", "evidence", _VERSION, "transplants", plan, merge, work,
    needs=("availability",), beside=("evidence/effects",),
)  # fmt: skip
