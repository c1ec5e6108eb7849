"""What evidence costs with very many classes: seconds of few photos each, memory of more.

With 4 photos a class no cell can be decided, so that next to nothing should be done; with 20 all
can. Photos are noise: none of the costs depends on what is seen.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tests.bench.child import Finished, audit_command, finished, shown
from tests.bench.rows import NO_BOUND, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS, _MIB = 30, 2048
# With 20 photos a class every cell can be decided, which would take hours.
_FORWARDS = 20_000
# So that the peak of the largest process is the command's.
_ALONE = ("compute.num_workers=0", f"evidence.max_forwards={_FORWARDS}")


def run(shared: Path, quick: bool) -> Iterator[Row]:
    """Rows for the seconds of the evidence stage, and for the memory of its command."""
    del shared  # generated photos
    classes = 40 if quick else 1000
    with tempfile.TemporaryDirectory(prefix="xai-bench-") as folder:
        few, many = Path(folder, "few"), Path(folder, "many")
        told = shown(audit_command([*_arguments(few, classes), "stages=[evidence]"]), TMP=few)
        quickly, stage, cheap = _audited(few, classes, 4)
        yield Row(
            f"seconds of the evidence stage, {classes} classes of 4 photos",
            f"<= {_SECONDS} s",
            f"{stage:.1f} s, {cheap} forwards; its command {quickly.seconds:.1f} s",
            stage <= _SECONDS,
            told,
        )
        largely, _, spent = _audited(many, classes, 20, *_ALONE)
    limited = " ".join([told, *_ALONE])
    yield Row(
        f"peak RSS of the evidence stage, {classes} classes of 20 photos",
        f"<= {_MIB} MiB",
        f"{largely.peak_mib:.0f} MiB",
        largely.peak_mib <= _MIB,
        limited,
    )
    yield Row(
        f"seconds of the same, {_FORWARDS} forwards at most",
        NO_BOUND,
        f"{largely.seconds:.0f} s, {spent} forwards",
        met=True,
        command=limited,
    )


def net(num_classes: int) -> object:
    """A small network with ``num_classes`` outputs."""
    from tests.tiny import net as tiny_net

    return tiny_net(num_classes)


def make_photos(root: Path, classes: int, per_class: int) -> Path:
    """``root/<class>/*.jpg``: coarse noise of 96 px about a colour of the class's own."""
    rng = np.random.default_rng(0)
    for number in range(classes):
        folder = root / f"class_{number:04d}"
        folder.mkdir(parents=True)
        colour = rng.integers(60, 196, 3)
        for photo in range(per_class):
            coarse = rng.normal(colour, 40, (12, 12, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC).save(
                folder / f"{photo:02d}.jpg"
            )
    return root


def _arguments(root: Path, classes: int) -> list[str]:
    return [
        "dataset=imagefolder",
        f"dataset.root={root / 'photos'}",
        "masks=none",
        "model=custom",
        "model.factory=tests.bench.classes:net",
        f"+model.kwargs.num_classes={classes}",
        "model.preprocess.resize=72",
        "model.preprocess.crop=64",
        "compute.device=cpu",
        f"output_dir={root / 'out'}",
    ]


def _audited(root: Path, classes: int, per_class: int, *more: str) -> tuple[Finished, float, int]:
    """The command of the evidence stage after those before it; its seconds and its forwards.

    The command's own seconds are more by what it takes to start and to open the model.
    """
    make_photos(root / "photos", classes, per_class)
    command = audit_command([*_arguments(root, classes), *more])
    finished([*command, "stages=[index,attribute,score]"])
    done = finished([*command, "stages=[evidence]"], timeout=4 * 3600)
    noted = json.loads((root / "out" / "run.json").read_text(encoding="utf-8"))
    return done, noted["timings"]["evidence_seconds"], noted["evidence"]["forwards"]
