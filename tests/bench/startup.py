"""How soon the command answers, and how long the demo takes on a machine that never ran it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median

from tests.bench.child import ChildError, audit_command, finished, shown
from tests.bench.rows import Row
from xai_audit.run.paths import RunPaths

HELP_BOUND = 2.0
DEMO_BOUND = 180.0


def run(shared: Path, quick: bool) -> list[Row]:
    """A row for ``--help``, one for the demo."""
    del shared  # the demo renders its own photos
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        return [_help(3 if quick else 5), _demo(Path(folder))]


def _help(times: int) -> Row:
    command = audit_command(["--help"])
    seconds = [finished(command).seconds for _ in range(times)]
    return Row(
        what=f"--help, median of {times}",
        bound=f"< {HELP_BOUND:.0f} s",
        measured=f"{median(seconds):.2f} s ({min(seconds):.2f}-{max(seconds):.2f})",
        met=median(seconds) < HELP_BOUND,
        command=shown(command),
    )


def _demo(tmp: Path) -> Row:
    """The whole demo, its photos rendered first: caches empty, nothing written yet."""
    paths = RunPaths(tmp / "out")
    command = audit_command(["dataset=flowers", "method=gradcam", f"output_dir={paths.root}"])
    done = finished(command, env=os.environ | {"XDG_CACHE_HOME": str(tmp / "cache")})
    if not paths.success.is_file() or not paths.index_html.is_file():
        raise ChildError(f"{shown(command)}: it ended without a report")
    return Row(
        what="the demo, photos rendered first, empty cache, fresh output_dir",
        bound=f"< {DEMO_BOUND:.0f} s",
        measured=f"{done.seconds:.1f} s",
        met=done.seconds < DEMO_BOUND,
        command=f"XDG_CACHE_HOME=TMP/cache {shown(command, TMP=tmp)}",
    )
