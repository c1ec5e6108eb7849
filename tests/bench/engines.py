"""What it costs to have parts made elsewhere: two workers, a Slurm, very many parts.

The Slurm is a real one of two nodes on this machine, as the tests start it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tests import tiny
from tests.bench.child import REPO, ChildError, audit_command, finished, shown
from tests.bench.rows import NO_BOUND, Row, skipped
from tests.work.slurm import Slurm, lacking
from xai_audit.pipeline import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COMMAND = "python -m tests.bench engines"
_START, _OVERHEAD, _EMPTY = 8.0, 1.1, 60.0
_TWO = "engine.workers=2"
_MAIN = "stages=[index,attribute,score]"


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """Rows for the start of a worker, Slurm, and two workers against one process."""
    del shared  # generated photos
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        tmp = Path(folder)
        yield _start(tmp)
        yield from _with_slurm(tmp, quick=quick)
        yield from _two_workers(tmp, quick=quick)


def _with_slurm(tmp: Path, *, quick: bool) -> Iterator[Row]:
    """A row for long parts and one for short ones."""
    if lack := lacking():
        reason = f"a Slurm needs {', '.join(lack)}"
        yield skipped("overhead of Slurm", f"<= {_OVERHEAD}", reason, COMMAND)
        return
    slurm = Slurm(tmp / "slurm")
    try:
        slurm.start()
        yield _slurm(tmp, slurm, quick=quick)
        yield _empty(tmp, slurm, quick=quick)
    finally:
        slurm.stop()


def _two_workers(tmp: Path, *, quick: bool) -> list[Row]:
    """A row a stage and one for the whole of a default audit, the runs taking turns."""
    few = ["limit=24", "trust.images=2", "adversarial.images=4", "augmentation.images=4"]
    few = few if quick else []
    seconds: dict[str, list[float]] = {"engine.workers=1": [], _TWO: []}
    stages: dict[str, dict[str, float]] = {}
    for turn in range(1 if quick else 2):
        for engine, found in seconds.items():
            out = tmp / f"{engine[-1]}-{turn}"
            command = audit_command([*tiny.DEMO, engine, f"output_dir={out}", *few])
            found.append(finished(command).seconds)
            timings = json.loads((out / "run.json").read_text(encoding="utf-8"))["timings"]
            stages[engine] = {
                name: min(timings[f"{name}_seconds"], stages.get(engine, {}).get(name, 1e9))
                for name in (stage.name for stage in STAGES)
            }
    one, two = (min(each) for each in seconds.values())
    rows = [
        Row(
            "2 workers against 1 process with all threads, 2 cores, the demo's whole audit",
            ">= 1.0x", f"{one / two:.2f}x ({one:.0f} s, {two:.0f} s)", one >= two, COMMAND,
        )
    ]  # fmt: skip
    alone, both = stages.values()
    for name, spent in alone.items():
        if spent >= 1:
            told = f"{spent / both[name]:.2f}x ({spent:.1f} s, {both[name]:.1f} s)"
            rows.append(Row(f"the same, stage {name}", NO_BOUND, told, True, COMMAND))
    return rows


def _start(tmp: Path) -> Row:
    """From the start of a worker to its first part, of ResNet-50."""
    folder, out = tiny.make_folder(tmp / "start"), tmp / "started"
    given = [
        "dataset=imagefolder", f"dataset.root={folder / 'images'}", "model.arch=resnet50",
        "model.weights=null", "model.num_classes=3", "compute.part_size=1", _MAIN,
        f"output_dir={out}",
    ]  # fmt: skip
    finished(audit_command([*given, "stages=[index]"]))
    finished(audit_command([*given, "engine.workers=0"]))
    command = [sys.executable, "-m", "xai_audit.work", str(out), "attribute", "0"]
    seconds = min(_until_part(command, out / "attributions/part-00000.parquet") for _ in range(3))
    return Row(
        "start of a worker to its first part, ResNet-50, warm disk",
        f"<= {_START:.0f} s", f"{seconds:.1f} s", seconds <= _START, shown(command, OUT=out),
    )  # fmt: skip


def _until_part(command: Sequence[str], part: Path) -> float:
    part.unlink(missing_ok=True)
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=REPO, stderr=subprocess.DEVNULL)
    try:
        while not part.exists():
            if process.poll() not in (None, 0):
                raise ChildError(f"{shown(command)}: exit {process.returncode}")
            time.sleep(0.02)
        return time.monotonic() - start
    finally:
        process.wait()


def _slurm(tmp: Path, slurm: Slurm, *, quick: bool) -> Row:
    """The same parts of a minute each by two local workers and by two tasks."""
    seconds = 5 if quick else 60
    folder = tiny.make_folder(tmp / "minute", per_class=4)
    env = {**slurm.environment, "XAI_AUDIT_TEST_SECONDS": str(seconds)}
    local, theirs = _both(tmp / "minutes", folder, env, "compute.part_size=3")
    return Row(
        f"Slurm against local, the same parts of {seconds} s and more, 2 workers",
        f"<= {_OVERHEAD:.2f}x + start", f"{theirs / local:.2f}x ({local:.0f} s, {theirs:.0f} s)",
        theirs <= _OVERHEAD * local + _START, COMMAND,
    )  # fmt: skip


def _empty(tmp: Path, slurm: Slurm, *, quick: bool) -> Row:
    """Very many parts with next to nothing in them, a small photo each."""
    count = 200 if quick else 10_000
    photos = tmp / "many" / "images"
    for number in range(count):
        photo = photos / f"class_{number % 3}" / f"{number:05d}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (number % 256, 90, 40)).save(photo)
    env = {**slurm.environment, "XAI_AUDIT_TEST_SECONDS": "0"}
    local, theirs = _both(tmp / "parts", tmp / "many", env, "compute.part_size=1")
    return Row(
        f"Slurm beyond local, {count} parts with a photo of 16 px each, 2 workers",
        f"<= {_EMPTY:.0f} s", f"{theirs - local:.0f} s ({local:.0f} s, {theirs:.0f} s)",
        theirs - local <= _EMPTY, COMMAND,
    )  # fmt: skip


def _both(out: Path, folder: Path, env: Mapping[str, str], *more: str) -> tuple[float, float]:
    """Seconds of the main pass of ``folder`` by two local workers, and by two tasks of Slurm."""
    spent = []
    for engine in ("local", "slurm"):
        root = out / engine
        given = tiny.overrides(folder, root, "method=saliency", "masks=none", *more)
        given = [each for each in given if not each.startswith(("masks.", "masks=folder"))]
        given = [*given, "model.factory=tests.work.dying:slow"]
        finished(audit_command([*given, "stages=[index]"]), env=env)
        finished(audit_command([*given, f"engine={engine}", _TWO]), env=env, timeout=7200)
        timings = json.loads((root / "run.json").read_text(encoding="utf-8"))["timings"]
        spent.append(float(timings["attribute_seconds"]))
    return spent[0], spent[1]
