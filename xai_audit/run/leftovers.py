"""Temporary files that dead writers left."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from xai_audit.run.files import HOST

if TYPE_CHECKING:
    from pathlib import Path

_DAY = 86_400.0  # seconds


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files in ``folder`` of processes that no longer run.

    Their names hold the writer's host and process. Those of another host are deleted when they are
    older than a day.
    """
    for path in folder.glob(".*.tmp"):
        if _is_alive(path):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_alive(temporary: Path) -> bool:
    """Whether the process that writes ``temporary`` may still be running."""
    fields = temporary.name.split(".")
    host, process = (fields[-4], fields[-3]) if len(fields) > 4 else ("", "")
    if host != HOST or not process.isdigit():
        try:
            return time.time() - temporary.stat().st_mtime < _DAY
        except OSError:
            return False
    return is_running(int(process))


def is_running(process: int) -> bool:
    """Whether a process of this machine has this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
