"""Parts worked on in this process: no lock, no cleaning, no record; the driver has those."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from xai_audit.errors import ConfigError
from xai_audit.work.parts import commit, read_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit
    from xai_audit.work.stage import Part, Stage


def work_on(
    audit: Audit, stage: Stage, numbers: Sequence[int], progress: Progress
) -> Iterator[Part]:
    """Each part of ``numbers``, once it is committed.

    Raises:
        ConfigError: a number that the plan does not have.
    """
    planned = {part.number: part for part in read_parts(audit.paths, stage.name)}
    if unknown := [number for number in numbers if number not in planned]:
        raise ConfigError(
            f"no such part of stage {stage.name}",
            where=audit.paths.plan_json,
            expected=f"some of {len(planned)} planned parts",
            got=", ".join(map(str, unknown[:3])),
        )
    if stage.work is None:
        return
    parts = [planned[number] for number in numbers]
    with _repeatable(audit):
        for finished in stage.work(audit, parts, progress):
            commit(audit.paths, stage, finished)
            yield finished.part


def _repeatable(audit: Audit) -> AbstractContextManager[None]:
    """A block of deterministic algorithms where they are requested; only they load torch."""
    if not audit.settings.compute.deterministic:
        return nullcontext()
    from xai_audit.network.compute import repeatable

    return repeatable(True)
