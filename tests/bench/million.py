"""A million photos of a thousand classes: what plan, merge, verdicts and report cost.

The photos are empty files, and what workers would make of them is made up (``synthetic``); every
other command is the product's own, as with another scheduler: the audit with ``engine.workers=0``
merges the parts that are there and plans the next stage, until all are done. Each is a process of
its own, whose memory is bounded, and whose time may grow with the photos but no faster.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.child import audit_command, finished
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    from tests.bench.child import Finished

log = logging.getLogger("tests.bench")

_MIB, _FLAT = 2048, 1.1
_TIMEOUT = 2 * 3600
_COMMAND = "python -m tests.bench million"
_MOST_COMMANDS = 40

_MODEL = """
import sys, torch, torchvision
torch.manual_seed(0)
model = torchvision.models.resnet18(num_classes=int(sys.argv[2]))
torch.save(model.state_dict(), sys.argv[1])
"""


@dataclass(frozen=True)
class Step:
    """One command of the product.

    Attributes:
        what: the stages that it merged and the one that it planned.
        spent: its time and memory.
    """

    what: str
    spent: Finished


def run(shared: Path, quick: bool) -> list[Row]:
    """Rows for every command: its memory and seconds, and how its time grows with the photos."""
    del shared  # empty files
    few, many, classes = (600, 6000, 20) if quick else (100_000, 1_000_000, 1000)
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        root = Path(folder)
        make_model(root / "model.pth", classes)
        for each in (few, many):
            make_photos(root / str(each), each, classes)
        small, large = (audited(root / str(each), each, classes) for each in (few, many))
    size = f"{many:,} photos x {classes:,} classes"
    return [*_rows(small, large, many / few, size), _whole(small, large, many / few, size)]


def arguments(root: Path, classes: int) -> list[str]:
    """The audit of the photos in ``root``, its parts left to others."""
    return [
        "dataset=imagefolder",
        f"dataset.root={root / 'photos'}",
        "masks=none",
        *("model=torchvision", "model.arch=resnet18", "model.weights=null"),
        f"model.checkpoint={root.parent / 'model.pth'}",
        f"model.num_classes={classes}",
        "compute.device=cpu",
        "engine.workers=0",
        f"output_dir={root / 'out'}",
    ]


def make_model(file: Path, classes: int) -> None:
    """A ResNet-18 of so many classes with random weights."""
    finished([sys.executable, "-c", _MODEL, str(file), str(classes)])


def make_photos(root: Path, count: int, classes: int) -> None:
    """``root/photos/<class>/*.jpg``, ``count`` empty files in equal shares."""
    for number in range(classes):
        folder = root / "photos" / f"class_{number:04d}"
        folder.mkdir(parents=True)
        for photo in range(count // classes):
            (folder / f"{photo:06d}.jpg").touch()


def audited(root: Path, count: int, classes: int, until: str = "page") -> list[Step]:
    """Every command from the listing of ``root/photos`` to the merge of the stage ``until``."""
    out, steps = root / "out", []
    for _ in range(_MOST_COMMANDS):
        before = _current(out)
        done = finished(audit_command(arguments(root, classes)), timeout=_TIMEOUT)
        merged = [stage for stage in _current(out) if stage not in before]
        steps.append(Step(f"merge {', '.join(merged)}; plan" if merged else "plan", done))
        log.info(
            "  %d photos: %s: %.1f s, %.0f MiB", count, steps[-1].what, done.seconds, done.peak_mib
        )
        if until in _current(out):
            return steps
        make_parts(out)
    raise RuntimeError(f"not done after {_MOST_COMMANDS} commands")


def make_parts(out: Path) -> None:
    """Make up the parts that the run waits for."""
    finished([sys.executable, "-m", "tests.bench.synthetic", str(out)], timeout=_TIMEOUT)


def _current(out: Path) -> list[str]:
    """The stages that are done, in their order."""
    file = out / "run.json"
    if not file.is_file():
        return []
    noted = json.loads(file.read_text(encoding="utf-8"))
    return [*noted["fingerprints"]]


def _rows(small: list[Step], large: list[Step], times: float, size: str) -> list[Row]:
    """A row a command: its memory, and its seconds a photo against those of fewer photos."""
    before = {step.what: step.spent.cpu_seconds for step in small}
    rows = []
    for step in large:
        spent, what = step.spent, f"{step.what}, {size}"
        memory = f"{spent.peak_mib:.0f} MiB, {spent.seconds:.0f} s"
        rows.append(Row(what, f"<= {_MIB} MiB", memory, spent.peak_mib <= _MIB, _COMMAND))
        if step.what in before:
            ratio = spent.cpu_seconds / before[step.what] / times
            what = f"CPU seconds a photo of the same, against {times:.0f} times fewer photos"
            measured = f"{ratio:.2f}x, {spent.cpu_seconds:.0f} s in all"
            rows.append(Row(what, f"<= {_FLAT:.1f}x", measured, ratio <= _FLAT, _COMMAND))
    return rows


def _whole(small: list[Step], large: list[Step], times: float, size: str) -> Row:
    few, many = (sum(step.spent.seconds for step in steps) for steps in (small, large))
    measured = f"{many:.0f} s against {few:.0f} s, {many / few / times:.2f}x a photo"
    return Row(f"seconds of all commands, {size}", NO_BOUND, measured, met=True, command=_COMMAND)
