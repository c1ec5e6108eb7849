"""What runs in a job of Slurm: a command of ours, and the merge that follows an array."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from xai_audit.engines import _slurm_queue as queue
from xai_audit.errors import WaitingError

if TYPE_CHECKING:
    from pathlib import Path

_KEPT = 20  # lines of what a command said last
# Of a task: as requested, and where nothing was, as it was given.
_CORES = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")


class Command:
    """``python -m xai_audit.work ARGUMENTS`` in a job; requeued it goes on with what is missing.

    Args:
        arguments: of the command.
        spread: seconds over which the tasks of an array start: shared storage serves all at once.
    """

    def __init__(self, *arguments: str, spread: float = 0.0) -> None:
        self._arguments, self._spread = arguments, spread

    def __call__(self) -> dict[str, Any]:
        """``code`` of the command's end and ``said``, its last line of errors."""
        time.sleep(random.uniform(0, self._spread))  # noqa: S311 - no secret
        environment = dict(os.environ)
        # Where Slurm does not bind tasks to their cores, all threads of all tasks fight for them.
        if cores := next(filter(None, map(environment.get, _CORES)), None):
            environment.setdefault("OMP_NUM_THREADS", cores)
        said: deque[str] = deque(maxlen=_KEPT)
        with subprocess.Popen(
            [sys.executable, "-m", "xai_audit.work", *self._arguments],
            env=environment, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                for line in process.stderr or ():
                    sys.stderr.write(line)
                    said.append(line.strip())
            finally:  # a signal of Slurm's raises here
                process.kill()
        last = next(filter(None, reversed(said)), "")
        return {"code": process.returncode, "said": last}

    def checkpoint(self, *_args: object) -> Any:  # noqa: ANN401 - submitit's
        """What runs when the job is requeued."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class Merge(Command):
    """Merges what is there and plans what comes next; where nothing does, the later jobs end.

    Args:
        folder: of the audit.
        jobs: the file that names the jobs.
    """

    def __init__(self, folder: Path, jobs: Path) -> None:
        super().__init__(str(folder), "--merge")
        self._jobs = jobs

    def __call__(self) -> dict[str, Any]:
        """As :class:`Command`."""
        found = super().__call__()
        if found["code"] != WaitingError.merge_code:
            queue.cancel(read_ids(self._jobs) - {os.environ.get("SLURM_JOB_ID", "")})
        return found


def read_ids(file: Path) -> set[str]:
    """The jobs that were submitted; none where the file is not there."""
    try:
        return {*json.loads(file.read_text(encoding="utf-8"))}
    except (OSError, ValueError):
        return set()


def write_ids(file: Path, ids: set[str]) -> None:
    """Note the jobs that were submitted."""
    file.write_text(json.dumps(sorted(ids)), encoding="utf-8")
