"""availability: the survey -> does the content of a cue alone separate the classes."""

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

_VERSION = 3


def plan(audit: Audit) -> Plan:
    """A part for every cue."""
    settings = audit.settings
    mark = fingerprint(
        _VERSION,
        parts_mark(audit.paths, "survey"),
        content_hash(audit.paths.surveyed),
        settings.evidence.permutations,
        settings.seed,
    )

    def parts() -> list[Part]:
        cues = SurveyTables(audit.paths).cues
        return [Part(number, mark, {"cue": cue}) for number, cue in enumerate(cues)]

    return Plan(mark, parts)


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """The cross-validated AUROC of every class from the descriptors of a part's cue."""
    from xai_audit.evidence.offered import offered_table

    survey, settings = SurveyTables(audit.paths), audit.settings
    names = list(audit.labels)
    for part in parts:
        progress(0)
        table = offered_table(
            survey,
            part.args["cue"],
            names,
            permutations=settings.evidence.permutations,
            seed=settings.seed,
        )
        yield Finished(part, table)


AVAILABILITY = Stage(
    "availability", "evidence", _VERSION, "evidence/availability", plan, no_merge, work,
    needs=("survey",),
)  # fmt: skip
