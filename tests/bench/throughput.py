"""Images a second of a whole run against what a user would write without this package.

Ours is the index and the attribute stage as run.json times them: listing and probing the files,
then decoding, forward, Grad-CAM, scoring and Parquet. A peer's clock covers its loop over the same
photos and the start of its DataLoader, not the listing. Nobody's imports and model building count,
and nobody warms up. Every side is a process of its own in one environment, in turn, in rounds, so
that a busy minute of the machine meets all of them; a ratio is taken within a round.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from torchvision.models import resnet50

from tests.bench import photos
from tests.bench.child import ChildError, audit_command, finished, shown
from tests.bench.rows import NO_BOUND, Row, skipped
from xai_audit.run.paths import RunPaths

PEERS = Path(__file__).parent / "peers"
# Script -> what it is, and how many times its images a second ours must reach.
BOUNDS = {
    "plain": ("a plain eager inference loop", 1.0),
    "captum_script": ("predict, then Captum's LayerGradCam", 2.2),
    "gradcam_script": ("pytorch-grad-cam", 3.0),
}
THREADS = "2"
OURS = "xai_audit"


@dataclass(frozen=True)
class Side:
    """One side of one round.

    Attributes:
        seconds: of what is compared.
        process: seconds of the whole process, imports and model building included.
        predictions: one a photo, in the order of the sorted folders and files.
    """

    seconds: float
    process: float
    predictions: list[int]


def run(shared: Path, quick: bool) -> list[Row]:
    """A row a peer, and one that tells what the whole processes took."""
    count, rounds = (34, 1) if quick else (256, 3)
    setting = (
        f"ResNet-50 224 px fp32, {count} photos, batch 32, 2 workers, "
        f"OMP_NUM_THREADS={THREADS}, no MALLOC_*"
    )
    if not photos.present(shared):
        command = "python -m tests.bench throughput"
        return [skipped(f"throughput: {setting}", NO_BOUND, photos.ABSENT, command)]
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        tmp = Path(folder)
        target = photos.copied(shared, tmp / "photos", count)
        _save_model(tmp / "model.pth")
        measured = [_round(tmp, target, number) for number in range(rounds)]
        _check_same_work(measured, count)
        ours = shown(_command(tmp, "0"), TMP=tmp)
    rows = [_row(name, measured, count, setting, ours) for name in BOUNDS]
    return [*rows, _processes(measured, setting)]


def _save_model(path: Path) -> None:
    """The network that every peer makes from the same seed."""
    torch.manual_seed(0)
    torch.save(resnet50(weights=None, num_classes=17).state_dict(), path)


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "OMP_", "MKL_"))}
    return kept | {"OMP_NUM_THREADS": THREADS}


def _command(tmp: Path, run_name: str) -> list[str]:
    return audit_command(
        [
            "dataset=imagefolder",
            f"dataset.root={tmp / 'photos'}",
            "masks=none",
            "model.arch=resnet50",
            "model.weights=null",
            f"model.checkpoint={tmp / 'model.pth'}",
            "method=gradcam",
            "targets=[label]",
            "stages=[index,attribute,score]",
            "compute.device=cpu",
            "compute.precision=fp32",
            "compute.batch_size=32",
            "compute.num_workers=2",
            f"output_dir={tmp / run_name}",
        ]
    )


def _round(tmp: Path, target: Path, number: int) -> dict[str, Side]:
    """Every side once, in turn."""
    sides = {OURS: _ours(tmp, str(number))}
    for name in BOUNDS:
        done = finished(
            [sys.executable, str(PEERS / f"{name}.py"), str(target)], env=_environment()
        )
        said = json.loads(done.stdout)
        sides[name] = Side(said["seconds"], done.seconds, said["predictions"])
    return sides


def _ours(tmp: Path, run_name: str) -> Side:
    done = finished(_command(tmp, run_name), env=_environment())
    paths = RunPaths(tmp / run_name)
    timings = json.loads(paths.run_json.read_text(encoding="utf-8"))["timings"]
    scores = pd.read_parquet(paths.scores).sort_values("image_id")
    seconds = timings["index_seconds"] + timings["attribute_seconds"]
    return Side(seconds, done.seconds, scores["pred"].tolist())


def _check_same_work(measured: list[dict[str, Side]], count: int) -> None:
    """Raise ChildError unless every side predicted the same of every photo, ties aside."""
    for sides in measured:
        reference = sides["plain"].predictions
        for name, side in sides.items():
            same = sum(a == b for a, b in zip(reference, side.predictions, strict=False))
            if len(side.predictions) != count or same < 0.95 * count:
                raise ChildError(f"{name} predicted {same} of {count} photos as the plain loop did")


def _row(name: str, measured: list[dict[str, Side]], count: int, setting: str, command: str) -> Row:
    what, bound = BOUNDS[name]
    ratios = [sides[name].seconds / sides[OURS].seconds for sides in measured]
    ours, theirs = (
        median(count / sides[side].seconds for sides in measured) for side in (OURS, name)
    )
    return Row(
        what=f"images/s of index + attribute + score against {what} ({setting})",
        bound=f">= {bound:.1f}x",
        measured=f"{median(ratios):.2f}x (median of {len(ratios)}, {min(ratios):.2f}-"
        f"{max(ratios):.2f}), {ours:.1f} against {theirs:.1f} images/s",
        met=median(ratios) >= bound,
        command=f"export OMP_NUM_THREADS={THREADS}; {command}; "
        f"python tests/bench/peers/{name}.py TMP/photos",
    )


def _processes(measured: list[dict[str, Side]], setting: str) -> Row:
    told = [
        f"{name} {median(sides[name].process for sides in measured):.1f} s" for name in measured[0]
    ]
    return Row(
        what=f"the whole processes, imports and model building included ({setting})",
        bound=NO_BOUND,
        measured=", ".join(told),
        met=True,
        command="python -m tests.bench throughput",
    )
