"""SIGKILL at random moments of a whole audit, then the same command: are its tables the same?"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from tests import tiny
from tests.bench.child import audit_command, finished
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMAND = "make bench ARGS=kills"
_TIMES, _SEED = 50, 0
# In turn: all in one process with and without one that reads photos, and two processes.
_ENGINES = (("compute.num_workers=0",), ("compute.num_workers=1",), ("engine.workers=2",))
_FEW = ("cues=[border,background]", "adversarial.images=4", "adversarial.steps=2")
_MANY = ("augmentation.images=4", "methods=[gradcam,saliency]")
# How a run came about, not what it found.
_HISTORY = ("attempts", "status")


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """Rows of the tables after each kill and resume, and of how far it had come."""
    del shared  # made photos
    rng, times = random.Random(_SEED), 3 if quick else _TIMES
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        place = Path(folder)
        photos = tiny.make_folder(place / "photos")
        whole = place / "whole"
        seconds = finished(audit_command(_arguments(photos, whole))).seconds
        struck, other = Counter[str](), []
        for number in range(times):
            out = place / f"out{number}"
            command = _arguments(photos, out, *_ENGINES[number % len(_ENGINES)])
            moment = rng.uniform(0, seconds)
            struck[_killed(command, out, moment)] += 1
            code = finished(audit_command(command), check=False).code
            differs = [f"exit {code}"] if code else different(whole, out)
            other += [f"{number} after {moment:.1f} s: {', '.join(differs)}"] if differs else []
    yield Row(
        "SIGKILL at random moments, then the same command: tables equal to an undisturbed audit's",
        f"{times} of {times}",
        f"{times - len(other)} of {times}{'; ' * bool(other)}{'; '.join(other)}",
        met=not other,
        command=COMMAND,
    )
    told = ", ".join(f"{stage} {count}" for stage, count in struck.most_common())
    yield Row("... how far each had come", NO_BOUND, told, met=True, command=COMMAND)


def _arguments(photos: Path, out: Path, *more: str) -> list[str]:
    return tiny.overrides(photos, out, tiny.WHOLE, *_FEW, *_MANY, *more)


def _killed(command: Sequence[str], out: Path, moment: float) -> str:
    """How far the audit was when it and all its processes were killed."""
    process = subprocess.Popen(
        audit_command(command), cwd=Path(__file__).parents[2], start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
    else:
        return "none: it had ended"
    time.sleep(0.1)  # its workers are gone too
    return _finished_last(out)


def _finished_last(out: Path) -> str:
    """What was finished last, by run.json; of a folder without one, the start."""
    try:
        record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "start"
    return f"after {[*record['fingerprints']][-1]}" if record["fingerprints"] else "first"


def different(one: Path, other: Path) -> list[str]:
    """The tables of ``one`` that ``other`` lacks or has otherwise, and those it has beside them."""
    tables, others = (
        {
            str(file.relative_to(root)): file
            for file in sorted(root.rglob("*.parquet"))
            if file.relative_to(root).parts[0].partition(".")[0] not in _HISTORY
        }
        for root in (one, other)
    )
    missing = {*tables} ^ {*others}
    return sorted(missing) + [
        name
        for name in tables
        if name in others and not pq.read_table(tables[name]).equals(pq.read_table(others[name]))
    ]
