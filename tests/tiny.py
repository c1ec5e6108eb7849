"""A photo folder, a network and a run that take seconds: what most tests stand on."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch import nn

from xai_audit.cli import main
from xai_audit.config.nodes import STAGES

REPO = Path(__file__).resolve().parent.parent
STARTUP = REPO / "tests" / "startup"  # read by every Python that a test starts
CLASSES = ("circle", "square", "stripes")
# The README's audit of the demo.
DEMO = ["dataset=flowers", "method=gradcam"]
# For a test of the whole run: its SUCCESS file, its report, what survives every stage.
WHOLE = f"stages=[{','.join(STAGES)}]"


def net(num_classes: int = 3, seed: int = 0) -> nn.Module:
    """Conv, BN, ReLU twice, pooled; a fixed seed makes it the same network everywhere."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=4, padding=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, num_classes),
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    return model


def nan_net() -> nn.Module:
    """A network whose output is not a number for dark photos."""

    class Nan(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            dark = images.mean(dim=(1, 2, 3)) < -1.5
            return self.body(images) / torch.where(dark, torch.nan, 1.0)[:, None]

    return Nan()


def photo(
    rng: np.random.Generator, kind: str, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A noisy photo (H, W, 3) with one shape in it, and the shape's mask (H, W)."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    radius = min(size) * rng.uniform(0.2, 0.3)
    cy, cx = height * rng.uniform(0.35, 0.65), width * rng.uniform(0.35, 0.65)
    inside = {
        "circle": (y - cy) ** 2 + (x - cx) ** 2 < radius**2,
        "square": (abs(y - cy) < radius) & (abs(x - cx) < radius),
        "stripes": (abs(y - cy) < radius) & (abs(x - cx) < radius) & ((x // 6) % 2 == 0),
    }[kind]
    pixels = rng.integers(60, 120, (height, width, 3))
    pixels[inside] = rng.integers(140, 255, 3)
    return pixels.astype(np.uint8), (inside * 255).astype(np.uint8)


def make_folder(root: Path, per_class: int = 6, *, side: int = 96) -> Path:
    """``root/images/<class>/*.jpg`` and ``root/masks/<class>/*.png`` of a few odd sizes."""
    rng = np.random.default_rng(0)
    for kind in CLASSES:
        (root / "images" / kind).mkdir(parents=True)
        (root / "masks" / kind).mkdir(parents=True)
        for number in range(per_class):
            size = (side + 7 * (number % 3), side + 11 * (number % 4))
            pixels, mask = photo(rng, kind, size)
            Image.fromarray(pixels).save(root / "images" / kind / f"{number:04d}.jpg", quality=92)
            Image.fromarray(mask).save(root / "masks" / kind / f"{number:04d}.png")
    return root


def overrides(root: Path, output: Path, *more: str) -> list[str]:
    """The command line of an audit of ``root`` with :func:`net`, up to the scores.

    A test of another stage names its stages in ``more``, or :data:`WHOLE`; the last word counts.
    """
    return [
        "dataset=imagefolder",
        f"dataset.root={root / 'images'}",
        "masks=folder",
        f"masks.root={root / 'masks'}",
        "model=custom",
        "model.factory=tests.tiny:net",
        "model.preprocess.resize=72",
        "model.preprocess.crop=64",
        "compute.num_workers=0",
        "compute.part_size=5",
        "cues=[border]",
        "evidence.images_per_class=8",
        "evidence.permutations=20",
        "adversarial.images=0",
        "augmentation.images=0",
        "trust.images=2",
        "trust.steps=2",
        "stages=[index,attribute,score]",
        f"output_dir={output}",
        *more,
    ]


def command(arguments: list[str]) -> list[str]:
    """``python -m xai_audit`` of this interpreter."""
    return [sys.executable, "-m", "xai_audit", *arguments]


def started(arguments: list[str], out: Path, folder: str, parts: int) -> subprocess.Popen[bytes]:
    """A run in its own process, once ``parts`` parts lie in ``out``/``folder`` or it has ended.

    What it logs goes to ``out`` with the suffix ``.log``.
    """
    with out.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            command(arguments), cwd=REPO, stdout=subprocess.DEVNULL, stderr=log
        )
    deadline = time.monotonic() + 120
    while len(list((out / folder).glob("part-*"))) < parts and process.poll() is None:
        assert time.monotonic() < deadline, "no part was ever written"
        time.sleep(0.01)
    return process


def audit(
    arguments: list[str], *, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command in this process, which spares importing torch each time."""
    stderr, stdout = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, env or {}),
        mock.patch.object(sys, "argv", ["xai_audit", *arguments]),
        contextlib.redirect_stderr(stderr),
        contextlib.redirect_stdout(stdout),
    ):
        code = main()
    # The command set up its own logging; let go of the captured stream and of its level.
    log = logging.getLogger("xai_audit")
    log.handlers.clear()
    log.setLevel(logging.NOTSET)
    return subprocess.CompletedProcess(arguments, code, stdout.getvalue(), stderr.getvalue())


def audit_process(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, from the top of the checkout."""
    options = {"cwd": REPO, "timeout": 300, "check": False} | options
    return subprocess.run(command(arguments), capture_output=True, text=True, **options)


def slow_net() -> nn.Module:
    """:func:`net`, held up a little at every batch, so that a run can be caught in the act."""

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            time.sleep(0.05)
            return self.body(images)

    return Slow()


def wide_net() -> nn.Module:
    """A network whose activations, not its weights, need memory: about 34 MB an image at 256 px."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 128, 3, padding=1),
        nn.AvgPool2d(8),
        nn.Conv2d(128, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def starved_net() -> nn.Module:
    """:func:`wide_net` in a process that may take 1 GB more from its first batch on: a real limit.

    Not before: libraries, threads and their arenas take gigabytes of address space as they start.
    """

    class Starved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.limited = wide_net(), False

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if len(images) > 1 and not self.limited:
                taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
                limit = taken * resource.getpagesize() + 2**30
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
                self.limited = True
            return self.body(images)

    return Starved()


def failing_net() -> nn.Module:
    """:func:`net` that takes one image, as a probe has, and fails on a batch."""

    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if len(images) > 1:
                raise ValueError("on purpose")
            return self.body(images)

    return Failing()


def detached_net() -> nn.Module:
    """:func:`net` as a frozen backbone often is: nothing flows back to the features."""

    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            whole = list(net())
            self.body, self.head = nn.Sequential(*whole[:5]), nn.Sequential(*whole[5:])

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(images).detach())

    return Detached()
