"""The real photos that benches run on, and the command that audits them."""

from __future__ import annotations

import os
import shutil
from itertools import islice, zip_longest
from pathlib import Path

from tests.bench.child import REPO

ABSENT = "no real photos"


def shared_folder() -> Path:
    """Where the real photos and checkpoints are, whether or not they are there."""
    return Path(os.environ.get("XAI_AUDIT_SHARED") or REPO.parent / "shared")


def present(shared: Path) -> bool:
    """Whether the real photos and their checkpoint are there."""
    return images(shared).is_dir() and checkpoint(shared).is_file()


def images(shared: Path) -> Path:
    """Flowers-17, a folder a class."""
    return shared / "data" / "flowers17" / "images"


def masks(shared: Path) -> Path:
    """Human masks of most of them, named as the photos."""
    return shared / "data" / "flowers17" / "masks"


def checkpoint(shared: Path) -> Path:
    """A SqueezeNet 1.0 fine-tuned on Flowers-17; its test accuracy is in the JSON beside it."""
    return shared / "models" / "flowers17_squeezenet1_0.pth"


def overrides(shared: Path, output: Path, *more: str) -> list[str]:
    """The command line that audits Flowers-17 with its own checkpoint and masks."""
    return [
        "dataset=imagefolder",
        f"dataset.root={images(shared)}",
        "masks=folder",
        f"masks.root={masks(shared)}",
        "model.arch=squeezenet1_0",
        f"model.checkpoint={checkpoint(shared)}",
        "compute.device=cpu",
        f"output_dir={output}",
        *more,
    ]


def copied(shared: Path, target: Path, count: int) -> Path:
    """``target`` with ``count`` photos of Flowers-17, taken from all classes in turn.

    Copies, so that every side of a comparison reads from the same warm file cache.
    """
    classes = [sorted(folder.glob("*.jpg")) for folder in sorted(images(shared).iterdir())]
    in_turn = (photo for several in zip_longest(*classes) for photo in several if photo)
    for photo in islice(in_turn, count):
        place = target / photo.parent.name / photo.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo, place)
    return target
