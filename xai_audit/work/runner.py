"""The driver's way through the stages: plan, clean, let parts be worked on, merge, record."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from xai_audit.config.build import build
from xai_audit.errors import ConfigError, OutputError, WaitingError
from xai_audit.run.files import is_readable
from xai_audit.run.progress import progress_bar
from xai_audit.run.record import fingerprint
from xai_audit.work.attempts import note_death, noting
from xai_audit.work.needs import check_needs, taken
from xai_audit.work.parts import clean, commit, missing, read_parts, write_plan
from xai_audit.work.status import StatusFile
from xai_audit.work.watched import Counting, Stopping, Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from xai_audit.run.progress import Progress, StopRequest
    from xai_audit.run.record import RunRecord
    from xai_audit.work.audit import Audit
    from xai_audit.work.stage import Engine, Part, Plan, Stage

log = logging.getLogger(__name__)


class Driver:
    """The one process that plans, cleans, merges and records.

    Args:
        audit: what is audited.
        record: of the run.
        stop: checked between parts, and within one whose signal has waited long.
        stages: all of them, in the order in which they run.

    Attributes:
        status: the file that says how far it is.
    """

    def __init__(
        self, audit: Audit, record: RunRecord, stop: StopRequest, stages: Sequence[Stage]
    ) -> None:
        self.audit, self.record, self.stop = audit, record, stop
        self._stages = {stage.name: stage for stage in stages}
        self._requested = audit.settings.stages
        self.status = StatusFile(audit.paths, stages)
        self._engine: Engine = build("engine", audit.settings.engine, driver=self)
        self._progress: Stopping | None = None
        self._watched: Watched | None = None

    def check_stages(self) -> None:
        """Say whose tables of an earlier command the stages of ``stages`` take.

        Raises:
            ConfigError: a stage that one of them needs is neither among them nor finished.
        """
        lacks = self._lacks(set())
        check_needs(self._stages.values(), self._requested, self.audit.paths, lacks)
        used = taken(self._stages.values(), self._requested, lacks)
        if used:
            log.info("tables of an earlier command are used: %s", ", ".join(used))

    def run(self, stage: Stage) -> None:
        """Bring the tables of ``stage`` up to date.

        Raises:
            ConfigError: it is about to undo what a stage of ``stages`` needs.
            StoppedError: a signal came; committed parts are kept.
        """
        plan = stage.plan(self.audit)
        read = [self.record.current(name) for name in (*stage.needs, *stage.reads)]
        mark = fingerprint(stage.version, read, plan.fingerprint)
        if self.record.is_current(stage.name, mark) and self._is_whole(stage, plan):
            return
        undone = self.record.undone_by(stage.name)
        check_needs(self._stages.values(), self._requested, self.audit.paths, self._lacks(undone))
        self.record.begin(stage.name)
        parts = plan.parts()
        current = [name for name in self._stages if self.record.current(name) is not None]
        write_plan(self.audit.paths, self.audit.spec, stage.name, parts, current=current)
        todo = clean(self.audit.paths, stage, parts)
        with self.record.timed(stage.name, resumed=len(todo) < len(parts)):
            if todo:
                self._make(stage, parts, todo)
            found = stage.merge(self.audit, parts)
        self.record.finished(stage.name, mark, found)
        self.status.tick()

    def _lacks(self, undone: Collection[str]) -> Callable[[str], bool]:
        """Whether the tables of a stage are out of date, as those of ``undone`` will be."""
        return lambda name: name in undone or self.record.current(name) is None

    def close(self) -> None:
        """Free what the engine holds."""
        self._engine.close()

    def _is_whole(self, stage: Stage, plan: Plan) -> bool:
        """Whether the files of a finished stage are still there, and whole."""
        paths = self.audit.paths
        parts = read_parts(paths, stage.name)
        return all(map(_is_there, plan.outputs)) and not missing(paths, stage, parts)

    def _make(self, stage: Stage, parts: Sequence[Part], todo: Sequence[Part]) -> None:
        """Let the engine make ``todo``; what it leaves out is an error."""
        root = self.audit.paths.root
        total = sum(part.size for part in parts)
        done = total - sum(part.size for part in todo)
        shown = stage.name if stage.name == stage.group else f"{stage.group}: {stage.name}"
        bar = self.audit.settings.progress
        with progress_bar(shown, total=total or None, done=done, bar=bar) as progress:
            self._progress = Stopping(progress, self.stop, self.status)
            start = time.perf_counter()
            self._watched = Watched(self.audit.paths, stage, list(todo))
            try:
                self._engine.run(root, stage.name, [part.number for part in todo])
                if self._watched.is_used:
                    self._progress(self._watched.arrived(last=True))
            finally:
                seconds = time.perf_counter() - start
                if self._progress.images:  # none where the parts are left to others
                    self.record.note_rate(stage.name, self._progress.images, seconds)
        left = missing(self.audit.paths, stage, todo)
        if left and (how := getattr(self._engine, "elsewhere", "")):
            raise WaitingError(stage.name, [part.number for part in left], len(parts), how)
        if left:
            raise OutputError(
                f"parts of stage {stage.name} were not made",
                where=root / stage.folder,
                expected=f"{len(todo)} parts",
                got=f"none of number {', '.join(str(part.number) for part in left[:5])}",
                remedy="run the same command again",
            )

    def make(self, stage: str, numbers: Sequence[int]) -> None:
        """Make parts in this process; a signal stops between two."""
        if self._progress is None:
            raise RuntimeError("no stage is running")
        for _ in work_on(self.audit, self._stages[stage], numbers, self._progress):
            self.stop.check()

    def left(self) -> list[int]:
        """The numbers of the parts that are missing, of those that the engine has to make."""
        if self._watched is None:
            raise RuntimeError("no stage is running")
        return self._watched.left()

    def lost(self, number: int, ended: str, pid: int | None = None) -> None:
        """Note how a worker died on part ``number``, which it cannot say itself."""
        if self._watched is not None:
            note_death(self.audit.paths, self._watched.stage.name, number, ended, pid)

    def pause(self, seconds: float) -> None:
        """Sleep while others make parts, and show those that are there; a signal ends it."""
        time.sleep(seconds)
        if self._progress is None or self._watched is None:
            raise RuntimeError("no stage is running")
        self._progress(self._watched.arrived())
        self.stop.check()


def _is_there(path: Path) -> bool:
    return is_readable(path) if path.suffix == ".parquet" else path.exists()


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
    if stage.work is None or not numbers:  # all are there: who made the last may have died since
        return
    parts, counting = [planned[number] for number in numbers], Counting(progress)
    with _repeatable(audit), noting(audit.paths, stage.name, parts) as note_made:
        for finished in stage.work(audit, parts, counting):
            commit(audit.paths, stage, finished)
            note_made(counting.copies)
            yield finished.part


def _repeatable(audit: Audit) -> AbstractContextManager[None]:
    """A block of deterministic algorithms where they are requested; only they load torch."""
    if not audit.settings.compute.deterministic:
        return nullcontext()
    from xai_audit.network.compute import repeatable

    return repeatable(True)
