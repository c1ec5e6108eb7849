"""agreement: heatmaps and scores -> how far the methods agree, by image and by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.run.files import write_table
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.work.parts import parts_mark, read_parts
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 1


def plan(audit: Audit) -> Plan:
    """A part for all parts of the scores that are of the same photos; none for one method."""
    settings, several = audit.settings, len(audit.spec.methods) > 1
    # Which images are compared is drawn from all parts.
    mark = fingerprint(
        _VERSION, parts_mark(audit.paths, "score"), settings.agreement.images, settings.seed
    )

    def parts() -> list[Part]:
        spans: dict[int, list[Part]] = {}
        for part in read_parts(audit.paths, "score") if several else ():
            spans.setdefault(part.args["start"], []).append(part)
        return [
            Part(number, mark, {"scored": [p.number for p in some]}, sum(p.size for p in some))
            for number, some in enumerate(spans.values())
        ]

    return Plan(mark, parts, (audit.paths.agreement,))


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """Every pair of methods on the drawn images of a part."""
    from xai_audit.agreement.compare import compared, drawn

    paths, wanted = audit.paths, audit.settings.agreement.images
    chosen = drawn(paths, images=wanted, seed=audit.settings.seed)
    for part in parts:
        attributions, scores = (
            [RunPaths.part(folder, number) for number in part.args["scored"]]
            for folder in (paths.attributions, paths.scores)
        )
        table = compared(attributions, scores, chosen)
        progress(part.size)
        yield Finished(part, table)


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the means of every class."""
    from xai_audit.agreement.summary import agreement_table

    del parts  # the folder holds these and no others
    write_table(audit.paths.agreement, agreement_table(audit.paths))
    return {}


AGREEMENT = Stage(
    "agreement", "agreement", _VERSION, "agreement", plan, merge, work, needs=("score",)
)
