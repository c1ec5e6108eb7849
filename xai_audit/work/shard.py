"""One share of the planned parts: what the i-th of n processes of any scheduler makes.

The shares are cut from the plan that the driver froze, so that they are the same whichever process
starts when; n is the launcher's, and another n later only deals out what is still missing.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_audit.errors import ConfigError, OutputError
from xai_audit.run.progress import progress_bar
from xai_audit.work.parts import missing, read_current, read_parts, read_spec
from xai_audit.work.runner import work_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xai_audit.config.spec import RunSpec
    from xai_audit.run.paths import RunPaths
    from xai_audit.work.audit import Audit
    from xai_audit.work.stage import Part, Stage

log = logging.getLogger(__name__)

# What may differ from the planned command: where and when its parts are made changes no row.
_FREE = (
    *("shard", "engine", "stages", "progress", "compute", "output_dir", "store", "gate"),
    "first_look",
)


@dataclass(frozen=True)
class Share:
    """Every n-th part of a plan.

    Attributes:
        number: of this share, from 0.
        count: n.
    """

    number: int
    count: int

    @classmethod
    def parsed(cls, text: str) -> Share:
        """The share that ``i/n`` says.

        Raises:
            ConfigError: it is none, or i is not below n.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        share = cls(*map(int, found.groups())) if found else cls(0, 0)
        if share.number >= share.count:
            raise ConfigError(
                "bad value", where="shard", expected="i/n with i from 0 to n - 1", got=text
            )
        return share

    def of(self, parts: Sequence[Part]) -> list[Part]:
        """Its parts, of all that were planned."""
        return list(parts[self.number :: self.count])

    def __str__(self) -> str:
        """As the key says it."""
        return f"{self.number}/{self.count}"


def check_plan(paths: RunPaths, spec: RunSpec) -> None:
    """Refuse a plan of other settings: its parts are not those that this command asks for.

    Raises:
        OutputError: there is no plan, or it is of another command.
    """
    planned, mine = (_deciding(each) for each in (read_spec(paths), spec))
    for key in sorted({*planned, *mine}):
        if planned.get(key) != mine.get(key):
            raise OutputError(
                "the plan is of another command",
                where=paths.plan_json,
                expected=f"{key}={planned.get(key)}",
                got=f"{key}={mine.get(key)}",
                remedy="plan anew: the same command without shard and with engine.workers=0",
            )


def _deciding(spec: RunSpec) -> dict[str, object]:
    content = spec.to_json()
    settings = {key: each for key, each in content.pop("settings").items() if key not in _FREE}
    return {**settings, **content}


def work_share(
    audit: Audit, stages: Sequence[Stage], share: Share, *, stop: Callable[[], None]
) -> int:
    """How many parts of ``share`` were made; of the stages that wait for parts, all in its share.

    Args:
        audit: whose plan is there.
        stages: all of them.
        share: of every stage's parts.
        stop: called between parts; may raise.
    """
    current = read_current(audit.paths)
    made = 0
    for stage in stages:
        if stage.work is None or stage.name in current or not current.issuperset(stage.needs):
            continue
        mine = share.of(read_parts(audit.paths, stage.name))
        if not (todo := missing(audit.paths, stage, mine)):
            continue
        done = sum(part.size for part in mine) - sum(part.size for part in todo)
        total = sum(part.size for part in mine) or None
        bar = audit.settings.progress
        with progress_bar(f"{stage.name} {share}", total=total, done=done, bar=bar) as progress:
            for _ in work_on(audit, stage, [part.number for part in todo], progress):
                made += 1
                stop()
        log.info("shard %s: %d of its %d parts of %s made", share, len(todo), len(mine), stage.name)
    return made
