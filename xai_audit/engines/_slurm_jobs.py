"""Jobs of Slurm: submitted through submitit, and waited for."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xai_audit.engines import _slurm_queue as queue
from xai_audit.engines._slurm_command import read_ids, write_ids
from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from xai_audit.engines._slurm_command import Command

log = logging.getLogger(__name__)

_LOOKS = (0.2, 15.0)  # s between two: at results in our folder, at most at Slurm's queue
_OURS = "xai_audit: "  # before an error of ours; any other is a traceback's last line
_PATIENCE = 600  # s that the controller may not answer


@dataclass(frozen=True)
class Job:
    """A task that was submitted.

    Attributes:
        numbers: of its parts.
        submitted: submitit's job.
    """

    numbers: tuple[int, ...]
    submitted: Any

    @property
    def id(self) -> str:
        """``12``, or ``12_0`` of an array."""
        return str(self.submitted.job_id)

    @property
    def has_ended(self) -> bool:
        """Whether it has written how it ended; a killed one never does."""
        return bool(self.submitted.paths.result_pickle.exists())

    @cached_property
    def end(self) -> dict[str, Any]:
        """``code`` and ``said``; of a killed one the code is None and Slurm says how it ended."""
        with suppress(Exception):  # a result that is cut off, or an exception of submitit's
            outcome, found = self.submitted._get_outcome_and_result()
            if outcome == "success":
                return dict(found)
        return {"code": None, "said": queue.state(self.id)}

    @property
    def refusal(self) -> str:
        """What is wrong for the user to mend, as the command said it in its one line; or empty."""
        said = str(self.end["said"])
        return said.removeprefix(_OURS) if self.end["code"] and said.startswith(_OURS) else ""

    @property
    def is_guilty(self) -> bool:
        """Whether what it ran may be why it ended too early."""
        if self.end["code"] is None:
            return not queue.is_innocent(self.end["said"])
        return bool(self.end["code"])

    @property
    def last_words(self) -> str:
        """How it ended, in a line."""
        code = self.end["code"]
        how = f"job {self.id}" if code is None else f"job {self.id}, exit code {code}"
        return f"{how}: {self.end['said']}" if self.end["said"] else how


class Jobs:
    """Submits jobs and waits for them.

    Args:
        folder: of the audit; what submitit writes goes to ``slurm/`` in it.
        options: of sbatch, by submitit's names; None is Slurm's own default.

    Raises:
        ConfigError: no submitit, no Slurm, or an option that sbatch does not have.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._folder = folder / "slurm"
        self.file = self._folder / "jobs.json"
        given = {key: value for key, value in options.items() if value is not None}
        self._given = {"job_name": f"xai-{folder.name}"[:60], **given}
        self._executor()

    def submit(self, commands: Sequence[Command], *, after: str | None = None) -> list[Any]:
        """The submitted jobs, an array where they are several; noted in the file.

        Args:
            commands: a task each.
            after: id of the job at whose end, however it ends, they may start.

        Raises:
            ConfigError: what sbatch says against it.
        """
        executor = self._executor(**({} if after is None else {"dependency": f"afterany:{after}"}))
        try:
            with executor.batch():
                jobs = [executor.submit(command) for command in commands]
            ids = {job.job_id.partition("_")[0] for job in jobs}
        except Exception as exc:  # submitit's wrap of what sbatch printed
            lines = [line for line in str(exc).splitlines() if "sbatch: error" in line]
            got = lines[-1].partition("error: ")[2] if lines else str(exc).splitlines()[0]
            raise ConfigError("sbatch refuses the job", where="engine=slurm", got=got) from exc
        write_ids(self.file, read_ids(self.file) | ids)
        return jobs

    def ended(self, jobs: Sequence[Job], pause: Callable[[float], None]) -> Iterator[Job]:
        """Each of ``jobs`` at its end, however that was; those that are left when it is closed end.

        Args:
            jobs: submitted.
            pause: sleeps, and may raise.
        """
        running = {job.id: job for job in jobs}
        patience = _Looks()
        try:
            while running:
                gone = [one for one, job in running.items() if job.has_ended]
                if not gone and patience.is_time():
                    gone = [*{*running} - patience.live(running)]
                for one in gone:
                    yield running.pop(one)
                if running:
                    pause(_LOOKS[0])
        finally:
            queue.cancel(running)

    def cancel(self) -> set[str]:
        """The ids of jobs of an earlier command that waited or ran, now ended."""
        try:
            found = queue.live(read_ids(self.file))
        except queue.QueueError:
            return set()
        queue.cancel(found)
        self.file.unlink(missing_ok=True)
        return found

    def _executor(self, **more: Any) -> Any:  # noqa: ANN401 - submitit's
        try:
            from submitit import SlurmExecutor
        except ImportError as exc:
            remedy = 'pip install "xai-audit[slurm]"'
            raise ConfigError("submitit is needed", where="engine=slurm", remedy=remedy) from exc
        options = dict(self._given)
        python = options.pop("python", None)
        retries = int(options.pop("max_num_timeout", 3))
        try:
            executor = SlurmExecutor(self._folder, max_num_timeout=retries, python=python)
        except RuntimeError as exc:
            remedy = "run it where sbatch and srun are, or engine=local"
            raise ConfigError("no Slurm here", where="engine=slurm", remedy=remedy) from exc
        try:
            executor.update_parameters(**options, **more)
        except ValueError as exc:
            unknown = str(exc).partition("\n")[0]
            raise ConfigError("no option of sbatch", where="engine=slurm", got=unknown) from exc
        return executor


class _Looks:
    """When Slurm is asked: a tenth of the time, a quarter of a minute apart at most."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 1.0
        self._wait, self._silent = 1.0, 0.0

    def is_time(self) -> bool:
        """Whether the queue is to be looked at again."""
        return time.monotonic() >= self._next

    def live(self, jobs: Mapping[str, Job]) -> set[str]:
        """Those of ``jobs`` that wait or run; all while the controller does not answer."""
        start = time.monotonic()
        try:
            found = queue.live(jobs)
            self._silent = 0.0
        except queue.QueueError as exc:
            self._silent = self._silent or start
            if start - self._silent > _PATIENCE:
                raise
            log.warning("Slurm does not answer, looking again: %s", exc)
            found = {*jobs}
        self._wait = min(_LOOKS[1], 1.5 * self._wait)
        now = time.monotonic()
        self._next = now + max(self._wait, 10 * (now - start))
        return found
