"""attention: heatmaps and the survey -> does more relevance fall on a cue than is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_audit.evidence.readings import SurveyTables
from xai_audit.run.files import content_hash
from xai_audit.run.record import fingerprint
from xai_audit.work.parts import parts_mark
from xai_audit.work.stage import Finished, Part, Plan, Stage, no_merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 2


def plan(audit: Audit) -> Plan:
    """A part for every cue."""
    paths = audit.paths
    mark = fingerprint(
        _VERSION,
        parts_mark(paths, "survey"),
        content_hash(paths.surveyed),
        parts_mark(paths, "attribute"),
        audit.settings.seed,
    )

    def parts() -> list[Part]:
        cues = SurveyTables(paths).cues
        return [Part(number, mark, {"cue": cue}) for number, cue in enumerate(cues)]

    return Plan(mark, parts)


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """How much relevance every class has in the region of a part's cue, by method and target."""
    from xai_audit.evidence.attention import attended_table
    from xai_audit.evidence.heatmaps import view_shares

    survey, facts = SurveyTables(audit.paths), audit.noted_facts()
    places, classes = survey.cases
    maps = view_shares(
        audit.paths,
        [survey.ids[place] for place in places],
        classes=None if survey.wrong is None else classes.tolist(),
        grid=facts.grid,
        size=facts.preprocess.crop,
    )
    for part in parts:
        progress(0)
        table = attended_table(
            survey, part.args["cue"], maps, list(audit.labels), facts.grid, audit.settings.seed
        )
        yield Finished(part, table)


ATTENTION = Stage(
    "attention", "evidence", _VERSION, "evidence/attention", plan, no_merge, work,
    needs=("survey",),
)  # fmt: skip
