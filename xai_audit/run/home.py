"""Output folders that are named by an address, and their copies on this machine."""

from __future__ import annotations

from pathlib import Path

from xai_audit.run.files import HOST
from xai_audit.run.paths import RunPaths
from xai_audit.store.address import is_address, placed
from xai_audit.store.home import copy_of, fetch, names

# Logs and notes of jobs, which only this machine's Slurm writes and reads.
_NOT_AT_HOME = ("slurm",)


def paths_of(output: str | Path) -> RunPaths:
    """The files of the run in ``output``, a folder or an address, as they are there now.

    Raises:
        ConfigError: an address that cannot be.
        OutputError: it cannot be read, or there is no place for a copy.
    """
    if is_address(output):
        paths = RunPaths(copy_of(placed(output)))
    else:
        paths = RunPaths(Path(output).expanduser().absolute())
    update(paths)
    return paths


def update(paths: RunPaths) -> None:
    """Bring the copy of a run up to date; nothing where the run is a folder of this machine.

    What is there and is no run is left alone: it may be a bucket of photos.

    Raises:
        OutputError: it cannot be read.
    """
    there = names(paths.root)
    if not there or paths.run_json.name in there:
        fetch(paths.root, spare=_NOT_AT_HOME, own=f"{HOST}-")
    else:
        paths.run_json.unlink(missing_ok=True)
