"""What Slurm's own commands say of jobs: ``squeue``, ``scontrol``, ``scancel``."""

from __future__ import annotations

import getpass
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = 60  # that a busy controller may take for an answer
_REQUEUED = "BeginTime"  # why a requeued job waits, two minutes by default
# How a job ends through no fault of what it ran.
_INNOCENT = {"PREEMPTED", "CANCELLED", "NODE_FAIL", "BOOT_FAIL", "TIMEOUT", "REVOKED", "REQUEUED"}


class QueueError(Exception):
    """Slurm's controller does not answer."""


def live(ids: Iterable[str]) -> set[str]:
    """Those of ``ids`` (``12``, or ``12_0`` of an array; ``12`` is any of it) that wait or run.

    A requeued one that would wait for its time is told to start now.

    Raises:
        QueueError: nobody knows; the caller may look again later.
    """
    asked = {*ids}
    if not asked:
        return set()
    jobs = ",".join(sorted({one.partition("_")[0] for one in asked}))
    done = _run("squeue", "--noheader", "--array", "--format=%i %t %r", f"--jobs={jobs}")
    if done.returncode and "Invalid job id" not in done.stderr:
        raise QueueError(done.stderr.strip())
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    for row in rows:
        if row[-1] == _REQUEUED and row[1] == "PD" and row[0] in asked:
            _run("scontrol", "update", f"JobId={row[0]}", "StartTime=now")
    return asked & {name for row in rows for name in (row[0], row[0].partition("_")[0])}


def state(one: str) -> str:
    """How job ``one`` ended, ``FAILED`` or the like; empty where Slurm has forgotten it."""
    try:
        done = _run("scontrol", "--oneliner", "show", "job", one)
    except QueueError:
        return ""
    found = re.search(r"\bJobState=(\w+)", done.stdout)
    return found.group(1) if found else ""


def is_innocent(how: str) -> bool:
    """Whether a job in the state ``how`` was ended by others than what it ran.

    One that Slurm has forgotten never ran: it was cancelled while it waited.
    """
    return how in _INNOCENT or not how


def cancel(ids: Iterable[str]) -> None:
    """End jobs, those that wait and those that run."""
    jobs = sorted({*ids})
    if jobs:
        _run("scancel", "--quiet", *jobs)


def most_tasks(workers: int) -> tuple[int, int]:
    """The tasks that one array may have, and those that the user may have queued at once.

    Args:
        workers: that are wanted; the answer where Slurm sets no limit.
    """
    config = _run("scontrol", "show", "config").stdout
    array = [int(n) for n in re.findall(r"^MaxArraySize\s*=\s*(\d+)", config, flags=re.M)]
    queued = [int(n) for n in re.findall(r"^MaxJobCount\s*=\s*(\d+)", config, flags=re.M)]
    # Empty where no accounting is kept; ``5(2)`` is a limit of 5 of which 2 are used.
    ours = f"users={getpass.getuser()}"
    limits = _run("scontrol", "show", "assoc_mgr", ours, "flags=assoc,qos").stdout
    queued += [int(n) for n in re.findall(r"MaxSubmitJobs(?:PU)?=(\d+)", limits)]
    return min([workers, *array]), min([10**9, *queued])


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    """The finished command.

    Raises:
        QueueError: it is not there, or says nothing for a minute.
    """
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise QueueError(str(exc)) from exc
