"""``engine=slurm``: parts are made in array jobs, submitted through submitit.

Why submitit and not datatrove's executor, which comes nearest: datatrove owns the loop over ranks,
marks a finished rank with an empty file that knows neither configuration nor data, and merges only
after a whole success. Ours is the part file with its fingerprint, and the merge runs whatever
happened. What is left is to submit arrays, pass options through and requeue on a signal: that
submitit does. It is not asked how jobs are: that needs Slurm's accounting, and what lies on disk is
better evidence.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from xai_audit.engines import _slurm_queue as queue
from xai_audit.engines._deaths import DEATHS
from xai_audit.engines._slurm_command import Command, Merge
from xai_audit.engines._slurm_jobs import Job, Jobs
from xai_audit.errors import ConfigError, PoisonError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xai_audit.engines._driver import Driver

log = logging.getLogger(__name__)

_SPREAD, _MOST_SPREAD = 0.05, 30.0  # s a task over which an array starts, and in all


class SlurmEngine:
    """Makes the parts of a stage in the tasks of an array job, several parts a task.

    A task that is preempted or runs into its time limit is requeued and leaves alone what is there;
    what is missing when all have ended is submitted again, the part that a task died on by itself.

    Args:
        driver: of the run; no part is made where it runs: a login node.
        workers: tasks of an array.
        wait: stay until all is made; else submit every round of an array and a merge, and return.
        retries: further arrays for parts that are missing.
        rounds: that are submitted at once without ``wait``: a stage takes one, and one more where
            parts are missing.
        options: of sbatch, by submitit's names: see ``conf/engine/slurm.yaml``.

    Raises:
        ConfigError: a number that cannot be.
    """

    def __init__(
        self,
        *,
        driver: Driver,
        workers: int,
        wait: bool,
        retries: int,
        rounds: int,
        **options: Any,  # noqa: ANN401 - whatever sbatch takes
    ) -> None:
        limits = {"workers": (workers, 1), "retries": (retries, 0), "rounds": (rounds, 1)}
        for key, (value, least) in limits.items():
            if value < least:
                expected = f"a number >= {least}"
                raise ConfigError("bad value", where=f"engine.{key}", expected=expected, got=value)
        self._driver, self._options = driver, options
        self._workers, self._is_waiting = workers, wait
        self._retries, self._rounds = retries, rounds
        self._jobs: Jobs | None = None
        self.elsewhere = (
            "" if wait else "jobs of Slurm make and merge them: xai-audit status FOLDER"
        )

    def run(self, folder: Path, stage: str, numbers: Sequence[int]) -> None:
        """See that the parts ``numbers`` of ``stage`` are made, or have every stage submitted.

        Raises:
            PoisonError: parts that end the tasks that make them; the others are there.
            WorkerError: a task says what is wrong.
        """
        if self._jobs is None:
            self._jobs = Jobs(folder, self._options)
            if found := self._jobs.cancel():
                log.info("jobs %s of an earlier command are cancelled", ", ".join(sorted(found)))
        if self._is_waiting:
            self._make(self._jobs, folder, stage, list(numbers))
        else:
            self._submit_rounds(self._jobs, folder)

    def close(self) -> None:
        """Nothing is held: what was submitted has ended, or is meant to go on."""

    def _make(self, jobs: Jobs, folder: Path, stage: str, todo: list[int]) -> None:
        """Submit arrays until the parts are made, or it is known which cannot be."""
        deaths: Counter[int] = Counter()
        last: dict[int, str] = {}
        left, most = {*todo}, min(self._workers, queue.most_tasks(self._workers)[1])
        for tried in range(1 + self._retries):
            if tried:
                log.warning("%d parts of %s are missing; submitted again", len(todo), stage)
            ended = self._ended(jobs, folder, stage, _dealt(todo, deaths, most))
            left = {*self._driver.left()}
            for job in ended:
                lost = [number for number in job.numbers if number in left]
                if lost and job.is_guilty:
                    deaths[lost[0]] += 1
                    self._driver.lost(lost[0], job.last_words)
                last |= dict.fromkeys(lost, job.last_words)
            todo = [number for number in todo if number in left and deaths[number] < DEATHS]
            if not todo:
                break
        if left:
            raise PoisonError(stage, {n: last.get(n, "no task took it") for n in sorted(left)})

    def _ended(
        self, jobs: Jobs, folder: Path, stage: str, dealt: Sequence[Sequence[int]]
    ) -> list[Job]:
        """The tasks that were given the parts ``dealt``, all at their end.

        Raises:
            WorkerError: one says what is wrong; the others are cancelled.
        """
        most, _ = queue.most_tasks(len(dealt))  # of one array
        spread = min(_MOST_SPREAD, _SPREAD * len(dealt))
        submitted = []
        for some in (dealt[start : start + most] for start in range(0, len(dealt), most)):
            commands = [
                Command(str(folder), stage, ",".join(map(str, numbers)), spread=spread)
                for numbers in some
            ]
            found = jobs.submit(commands)
            submitted += [Job(tuple(n), job) for n, job in zip(some, found, strict=True)]
        ended = []
        for job in jobs.ended(submitted, self._driver.pause):
            if refusal := job.refusal:  # no second try helps
                raise WorkerError.of(refusal, job.end["code"])
            ended.append(job)
        return ended

    def _submit_rounds(self, jobs: Jobs, folder: Path) -> None:
        """Submit arrays and merges in turn, each after the end of the one before it."""
        most, queued = queue.most_tasks(self._workers)
        count = min(most, queued // self._rounds - 1)
        if count < 1:
            raise ConfigError(
                "more jobs than the user may have queued",
                where="engine.rounds",
                expected=f"at most {queued // 2}",
                got=self._rounds,
            )
        spread, after, first = min(_MOST_SPREAD, _SPREAD * count), None, ""
        for _ in range(self._rounds):
            shares = [
                Command(str(folder), "--share", f"{n}/{count}", spread=spread) for n in range(count)
            ]
            array = _base(jobs.submit(shares, after=after)[0])
            after = _base(jobs.submit([Merge(folder, jobs.file)], after=array)[0])
            first = first or array
        log.info("%d rounds of %d tasks: jobs %s to %s", self._rounds, count, first, after)


def _dealt(todo: Sequence[int], deaths: Mapping[int, int], workers: int) -> list[list[int]]:
    """The parts of each task: one by itself on which a task has died, the others in turn.

    In turn, as the last parts of a stage may take a thousand times as long as the first.
    """
    alone = [[number] for number in todo if deaths.get(number)]
    others = [number for number in todo if not deaths.get(number)]
    return [*alone, *(others[n::workers] for n in range(min(workers, len(others))))]


def _base(job: Any) -> str:  # noqa: ANN401 - submitit's
    """The id of a job, of its whole array where it is a task of one."""
    return str(job.job_id).partition("_")[0]
