"""An audit whose cores others want too: what is left of each stage's rate.

Another process spins on each core. Half of the quiet rate is the fair share; threads that spin
while they wait for one that is not running, or workers that wait for each other, have far less.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests import tiny
from tests.bench.child import audit_command, finished
from tests.bench.rows import NO_BOUND, Row
from xai_audit.pipeline import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = "make bench ARGS=crowded"
_LEAST = 0.4
_SHORT = 1.0  # seconds of a quiet stage, below which its rate is told without a bound
_KEYS = ("limit=120", "trust.images=4", "adversarial.images=8", "augmentation.images=8")
_SPINNER = [sys.executable, "-I", "-S", "-c", "while True: pass"]
_LIBGOMPS = {"GOMP_SPINCOUNT": "300000"}


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """A row a stage of a default audit of the demo, and how one does whose threads spin."""
    del shared  # rendered photos
    keys = [*tiny.DEMO, *_KEYS, *(["limit=24", "trust.images=1"] if quick else [])]
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        quiet = _seconds(keys, Path(folder) / "quiet")
        with _crowd():
            crowded = _seconds(keys, Path(folder) / "crowded")
            spinning = _seconds(keys, Path(folder) / "spinning", **_LIBGOMPS)
    for stage, seconds in quiet.items():
        left = seconds / crowded[stage]
        told = seconds < _SHORT
        yield Row(
            f"a busy process on each core: {stage}, rate left of its quiet one",
            NO_BOUND if told else f">= {_LEAST}",
            f"{left:.2f} ({seconds:.1f} s; {crowded[stage]:.1f} s)",
            met=told or left >= _LEAST,
            command=COMMAND,
        )
    whole, ours, theirs = (sum(each.values()) for each in (quiet, crowded, spinning))
    yield Row(
        "a busy process on each core: all stages; with threads that spin as long as libgomp's do",
        f">= {_LEAST}",
        f"{whole / ours:.2f}; {whole / theirs:.2f} ({whole:.0f} s; {ours:.0f} s, {theirs:.0f} s)",
        met=whole / ours >= _LEAST,
        command=COMMAND,
    )


def _seconds(keys: list[str], out: Path, **env: str) -> dict[str, float]:
    """Stage -> the seconds that it took."""
    finished(audit_command([*keys, f"output_dir={out}"]), env={**os.environ, **env})
    timings = json.loads((out / "run.json").read_text(encoding="utf-8"))["timings"]
    names = (stage.name for stage in STAGES if f"{stage.name}_seconds" in timings)
    return {name: timings[f"{name}_seconds"] for name in names}


@contextmanager
def _crowd() -> Iterator[None]:
    """A process that spins for every core."""
    crowd = [subprocess.Popen(_SPINNER) for _ in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for process in crowd:
            process.kill()
            process.wait()
