"""carriers: photos of a class whose cue alone turns others into it -> ``carriers.parquet``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.evidence.budget import affordable, budget_mark, share, telling
from xai_audit.evidence.content import Content
from xai_audit.evidence.rounds import most_forwards
from xai_audit.evidence.screens import Screening
from xai_audit.evidence.source import cue_marks
from xai_audit.evidence.stages.transplant import TRANSPLANT, planning_of
from xai_audit.run.files import write_table
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.schema import CARRIERS as CARRIERS_COLUMNS
from xai_audit.work.parts import files_of, parts_mark, read_parts
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xai_audit.evidence.rounds import Screen
    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 3
_TOGETHER = 4  # classes that share decoded photos; what a kill can cost


def screening_of(audit: Audit) -> Screening:
    """What decides whose cues are given to whom."""
    return Screening(planning_of(audit), audit.spec.method_names[0])


def plan(audit: Audit) -> Plan:
    """A part for every class with photos enough for carriers to be told."""
    paths, settings = audit.paths, audit.settings
    same = fingerprint(
        _VERSION,
        audit.facts.mark,
        audit.facts.precision,
        cue_marks(audit),
        [settings.evidence.stop_below, settings.seed, settings.max_pixels],
    )

    def parts() -> list[Part]:
        screening = screening_of(audit)
        contents = Content(audit, screening.planning.survey.ids)
        cues, found = _affordable(audit, screening), []
        typical = {part.number: part.fingerprint for part in read_parts(paths, TRANSPLANT.name)}
        for number, name in enumerate(screening.planning.names):
            args = {"class_name": name} | ({} if cues is None else {"cues": cues[name]})
            if not (screens := _screens(screening, args)):
                continue
            ids = {one for screen in screens for one in _photos(screen)}
            text = [[s.cue, s.donors, [*s.recipients.items()], s.without] for s in screens]
            near = screening.planning.clusters_of(ids)
            content = contents.of(ids, name)
            mark = fingerprint(same, text, near, content, typical.get(number))
            found.append(Part(number, mark, args))
        return found

    mark = fingerprint(
        same,
        budget_mark("carriers", settings.evidence.max_forwards),
        *(
            parts_mark(paths, name)
            for name in ("survey", "availability", "attention", "transplant")
        ),
    )
    return Plan(mark, parts, (paths.carriers, paths.pulls))


def _affordable(audit: Audit, screening: Screening) -> dict[str, list[str]] | None:
    """Class -> keys of the cues that the budget reaches; None without a budget."""
    budget = audit.settings.evidence.max_forwards
    if budget is None:
        return None
    costs = {
        (name, screen.cue): most_forwards(screen)
        for name in screening.planning.names
        for screen in screening.screens(name)
    }
    found: dict[str, list[str]] = {name: [] for name in screening.planning.names}
    for name, cue in affordable(costs, telling(audit.paths), share("carriers", budget)):
        found[name].append(cue)
    return {name: sorted(cues) for name, cues in found.items()}


def _screens(screening: Screening, args: Mapping[str, Any]) -> list[Screen]:
    """The screens of a part's class that the budget reaches."""
    cues = args.get("cues")
    found = screening.screens(args["class_name"]) if cues != [] else []
    return [screen for screen in found if cues is None or screen.cue in cues]


def _photos(screen: Screen) -> set[str]:
    given = {one for of in screen.recipients.values() for pair in of for one in pair}
    return {*screen.donors, *screen.without} | given


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The screening of a class's cues: pairs, who carries, and what that does."""
    from xai_audit.evidence.left_out import note
    from xai_audit.evidence.screening import carried_table, carriers_table, screened
    from xai_audit.evidence.source import transplanter_of
    from xai_audit.evidence.store import Store
    from xai_audit.evidence.summary import typical_effects

    store = Store(audit, "carriers", _VERSION)
    screening, transplanter = screening_of(audit), transplanter_of(audit)
    settings, clusters = audit.settings, screening.planning.clusters
    for start in range(0, len(parts), _TOGETHER):
        some = parts[start : start + _TOGETHER]
        screens = [s for part in some for s in _screens(screening, part.args)]
        before, transplanter.before = transplanter.spent(), store.opened(some)
        found = screened(
            transplanter,
            screens,
            typical=typical_effects([RunPaths.part(audit.paths.effects, p.number) for p in some]),
            limit=settings.evidence.stop_below,
            progress=progress,
        )
        spent = transplanter.spent(before)
        for part in some:
            name = part.args["class_name"]
            mine = [one for one in found if one.screen.class_name == name]
            pairs = transplanter.table([row for one in mine for row in one.rows])
            failed = [p for one, p in transplanter.problems.items() if one.class_name == name]
            notes = {"forwards": str(transplanter.forwards[name]), "oom_retries": "0"}
            notes |= note(failed)
            if part is some[-1]:
                notes["oom_retries"] = str(spent.oom_retries)
            presence = {k: of.get(name, {}) for k, of in screening.of(name).presence.items()}
            made = (
                carried_table(mine, clusters=clusters, seed=settings.seed),
                carriers_table(mine, presence),
            )
            also = [
                (RunPaths.part(audit.paths.root / folder, part.number), part.fingerprint, table)
                for folder, table in zip(CARRIERS.beside, made, strict=True)
            ]
            also += store.kept(transplanter.before, part)
            yield Finished(part, pairs, notes, also)


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write who carries what, and which classes' photos are turned into which class by it."""
    from xai_audit.evidence.pulls import pulls_table

    paths = audit.paths
    files = [RunPaths.part(paths.root / CARRIERS.beside[1], part.number) for part in parts]
    tables = [pq.read_table(file) for file in files]
    write_table(paths.carriers, pa.concat_tables([CARRIERS_COLUMNS.empty_table(), *tables]))
    single = files_of(paths, TRANSPLANT, read_parts(paths, TRANSPLANT.name))
    write_table(paths.pulls, pulls_table([*single, *files_of(paths, CARRIERS, parts)]))
    return {}


CARRIERS = Stage(
    "carriers", "evidence", _VERSION, "transplants", plan, merge, work,
    needs=("transplant", "attention"), prefix="carriers",
    beside=("evidence/carried", "evidence/carriers"),
)  # fmt: skip
