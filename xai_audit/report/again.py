"""The command that makes the same audit again, of some cues alone, in a folder of its own."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from xai_audit.report.redact import redacted
from xai_audit.schema import DISCOVERED
from xai_audit.store.address import spelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.config.spec import RunSpec
    from xai_audit.run.reader import Run

_PROGRAM = ("python", "-m", "xai_audit")
# Keys of the earlier command that would narrow the new one, or that are set anew.
_OWN = ("cues", "stages", "output_dir", "shard", "budget", "first_look", "progress")
# What was given to ``xai_audit.audit`` in memory, which no command line has.
_IN_MEMORY = ("dataset=memory", "model=memory")


def noted_arguments(spec: RunSpec) -> list[str]:
    """The command's arguments as run.json keeps them: without home folders and tokens."""
    given = [*spec.arguments]
    return [_hidden(each) for each in given] if spec.settings.report.redact else given


def _hidden(argument: str) -> str:
    """An argument without what is or is called a secret: of its key the whole value goes."""
    key, equals, value = argument.partition("=")
    return f"{key}={redacted({key: value})[key]}" if equals else redacted(argument)


def command(run: Run, cues: Sequence[str] = ()) -> str | None:
    """The command, quoted for a shell; None where a command line cannot make this audit.

    Args:
        run: whose command it was.
        cues: names of those that are examined; none, or a discovered one among them: all.
    """
    given = run.record.get("arguments")
    if given is None or {*_IN_MEMORY} & {*given}:
        return None
    kept = [each for each in given if each.lstrip("+~").partition("=")[0] not in _OWN]
    if cues and not any(cue.startswith(DISCOVERED) for cue in cues):
        kept.append(f"cues=[{','.join(cues)}]")
    return shlex.join([*_PROGRAM, *kept, f"output_dir={_folder(run)}-again"])


def own_command(run: Run) -> str | None:
    """The run's own command, quoted for a shell; None where it had none."""
    given = run.record.get("arguments")
    if given is None or {*_IN_MEMORY} & {*given}:
        return None
    return shlex.join([*_PROGRAM, *given])


def _folder(run: Run) -> str:
    return spelled(run.root).rstrip("/")
