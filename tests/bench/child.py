"""Commands in processes of their own: timed, measured, and never left behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPO = Path(__file__).resolve().parents[2]


class ChildError(RuntimeError):
    """A command that failed, with the end of what it said."""


@dataclass(frozen=True)
class Finished:
    """A command that has ended.

    Attributes:
        code: its exit code.
        stdout: what it printed.
        stderr: what it logged.
        seconds: wall time from start to end.
        cpu_seconds: of it and of what it waited for.
        peak_mib: resident memory of its largest process, MiB.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


def audit_command(arguments: Sequence[str]) -> list[str]:
    """``python -m xai_audit`` of this interpreter."""
    return [sys.executable, "-m", "xai_audit", *arguments]


def finished(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 3600,
    check: bool = True,
) -> Finished:
    """``command`` run to its end from the top of the checkout.

    Args:
        command: the program and its arguments.
        env: the whole environment; None: this one's.
        timeout: seconds after which it is killed with everything it started.
        check: whether an exit code other than 0 is an error.

    Raises:
        ChildError: it failed, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        report = Path(folder) / "report.json"
        stdout, stderr = _launched(report, command, env, timeout)
        if not report.is_file():
            raise ChildError(f"{shown(command)}: {_last_lines(stderr)}")
        noted = json.loads(report.read_text(encoding="ascii"))
    done = Finished(**noted, stdout=stdout, stderr=stderr)
    if check and done.code != 0:
        raise ChildError(f"{shown(command)}: exit {done.code}: {_last_lines(stderr or stdout)}")
    return done


def _launched(
    report: Path, command: Sequence[str], env: Mapping[str, str] | None, timeout: float
) -> tuple[str, str]:
    """Its stdout and stderr; whatever happens here, the whole process group is gone after."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(REPO / "tests/bench/launch.py"), str(report), *command],
        cwd=REPO,
        env=None if env is None else dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as exc:
        raise ChildError(f"{shown(command)}: not done after {timeout:.0f} s") from exc
    finally:
        # Not yet reaped, or reaped with nothing of its group left: the id is not somebody else's.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def shown(command: Sequence[str], **places: Path) -> str:
    """``command`` as one would type it, with the folders of this run by the names given."""
    text = shlex.join(["python" if part == sys.executable else part for part in command])
    for name, place in sorted(places.items(), key=lambda item: -len(str(item[1]))):
        text = text.replace(str(place), name)
    return text.replace(f"{REPO}{os.sep}", "")


def _last_lines(text: str, count: int = 3) -> str:
    return " / ".join(text.strip().splitlines()[-count:])
