"""An engine whose parts are made by ``python -m xai_audit.work``, two processes at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import tiny
from xai_audit.engines._driver import Driver
from xai_audit.pipeline import STAGES
from xai_audit.work.__main__ import main

WORKERS = "engine.workers=2"
MAIN = "stages=[index,attribute,score]"
ALL = f"stages=[{','.join(dict.fromkeys(stage.group for stage in STAGES))}]"


def arguments(folder: Path, out: Path, *more: str) -> list[str]:
    """A small audit of every stage, in several parts each."""
    return tiny.overrides(
        folder, out, ALL, "cues=[border,background]", "adversarial.images=9",
        "adversarial.steps=2", "augmentation.images=9", "methods=[gradcam,saliency]", *more,
    )  # fmt: skip


def audited(
    folder: Path, out: Path, model: str, *more: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """An audit in a process of its own, whose workers can see ``tests``."""
    command = [*arguments(folder, out, WORKERS, MAIN, "compute.part_size=4", *more)]
    command = [each for each in command if not each.startswith("model.factory=")]
    return subprocess.run(
        [sys.executable, "-m", "xai_audit", *command, f"model.factory={model}"],
        cwd=tiny.REPO, capture_output=True, text=True, check=False, timeout=280,
        env=os.environ | environment,
    )  # fmt: skip


def made_by(folder: Path, stage: str, numbers: Sequence[int]) -> subprocess.Popen[str]:
    """A worker process on ``numbers``."""
    spelled = ",".join(map(str, numbers))
    command = [sys.executable, "-m", "xai_audit.work", str(folder), stage, spelled]
    return subprocess.Popen(command, cwd=tiny.REPO, stderr=subprocess.PIPE, text=True)


class Processes:
    """Two workers, the parts dealt out in turn; the driver makes none itself.

    Workers of the main pass and of the transplants are processes; those of other stages, which
    would import as much again, only open the run as these do.
    """

    def __init__(self, *, driver: object) -> None:
        del driver

    def run(self, folder: Path, stage: str, numbers: Sequence[int]) -> None:
        shares = [some for some in (numbers[::2], numbers[1::2]) if some]
        if stage not in ("attribute", "transplant"):
            for some in shares:
                assert main([str(folder), stage, ",".join(map(str, some))]) == 0
            return
        workers = [made_by(folder, stage, some) for some in shares]
        for worker in workers:
            _, said = worker.communicate()
            if worker.returncode:
                raise RuntimeError(said)

    def close(self) -> None:
        """Nothing is held."""


class Forgetful:
    """Makes all parts but the last, as a cluster may."""

    def __init__(self, *, driver: Driver) -> None:
        self._driver = driver

    def run(self, folder: Path, stage: str, numbers: Sequence[int]) -> None:
        del folder
        if numbers[:-1]:
            self._driver.make(stage, numbers[:-1])

    def close(self) -> None:
        """Nothing is held."""
