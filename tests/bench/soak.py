"""Audits in a loop in one process, for 20 minutes: what does not come back after each.

A notebook or a service that audits again and again must end as it began: memory, open files,
threads, processes and temporary files.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.child import finished
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMAND = "make bench ARGS=soak"
_SECONDS = 20 * 60
# Audits after which caches and allocators have what they keep.
_WARM = 3
# Resident memory may grow by so much from then on, MiB.
_MIB = 32
# Alternately an audit from nothing and the same again, which finds everything done.
_LOOP = """
import json, os, sys, tempfile, threading, time
from pathlib import Path
import psutil
import xai_audit
from tests import tiny

place, seconds = Path(sys.argv[1]), float(sys.argv[2])
photos, me = tiny.make_folder(place / "photos"), psutil.Process()
temporary = Path(tempfile.gettempdir())
began, number = time.monotonic(), 0
while number < 6 or time.monotonic() - began < seconds:
    out = place / f"out{number // 2}"
    xai_audit.audit(*tiny.overrides(photos, out, tiny.WHOLE, "compute.num_workers=1"))
    number += 1
    print(json.dumps({
        "memory": me.memory_info().rss / 2**20,
        "handles": me.num_fds(),
        "threads": threading.active_count(),
        "processes": len(me.children(recursive=True)),
        "temporary": len([*temporary.iterdir()]) + len([*out.rglob(".*.tmp")]),
    }), flush=True)
"""


def run(shared: Path, quick: bool) -> list[Row]:
    """A row for each thing that may grow."""
    del shared  # made photos
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        (Path(folder) / "tmp").mkdir()
        seconds = 1 if quick else _SECONDS
        command = [sys.executable, "-c", _LOOP, folder, str(seconds)]
        env = {**os.environ, "TMPDIR": str(Path(folder) / "tmp")}
        done = finished(command, env=env, timeout=2 * seconds + 600)
    return rows([json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")])


def rows(after: Sequence[dict[str, float]]) -> list[Row]:
    """The rows of what there was ``after`` each audit, in their order."""
    count = Row("audits in one process", NO_BOUND, str(len(after)), met=True, command=COMMAND)
    found = [count, _row(after, "memory", "MiB", _MIB, np.median)]
    kinds = ("handles", "threads", "processes", "temporary")
    return [*found, *(_row(after, kind, "more", 0, np.min) for kind in kinds)]


def _row(
    after: Sequence[dict[str, float]],
    kind: str,
    unit: str,
    most: float,
    of: Callable[[Sequence[float]], np.floating],
) -> Row:
    """How much more of ``kind`` the last quarter of audits has than the first after the warm-up."""
    values = [each[kind] for each in after]
    quarter = max(len(values) // 4, 1)
    first = values[min(_WARM, len(values) - 1) :][:quarter]
    grown = float(of(values[-quarter:])) - float(of(first))
    what = "temporary files" if kind == "temporary" else kind
    return Row(
        f"{what} after an audit: more in the last quarter than after the first {_WARM}",
        f"<= {most} {unit}",
        f"{grown:.0f} ({values[0]:.0f} after the first, {values[-1]:.0f} after the last)",
        met=grown <= most,
        command=COMMAND,
    )
