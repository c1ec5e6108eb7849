"""Networks that end the process in which they run: as a lack of memory or a broken driver does."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import torch
from torch import nn

from tests.tiny import net
from xai_audit.run.paths import RunPaths
from xai_audit.work import runner
from xai_audit.work.stage import Finished, Stage

_WHITE = 2.0  # normalised


class _Once(nn.Module):
    """Ends the first process that makes a part, where the test asks for it."""

    def __init__(self, flag: str | None) -> None:
        super().__init__()
        self.body, self.flag = net(), flag

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        flag = self.flag
        working = len(photos) > 1  # opening the model runs it on one
        if working and flag and not Path(flag).exists():
            Path(flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.body(photos)


class _OnWhite(nn.Module):
    """Ends the process, or raises, on a white photo."""

    def __init__(self, *, kills: bool) -> None:
        super().__init__()
        self.body, self.kills = net(), kills

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        if bool((photos.mean(dim=(1, 2, 3)) > _WHITE).any()):
            if self.kills:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("a white photo")
        return self.body(photos)


def once() -> nn.Module:
    """Ends the first process that makes a part, or that has one on disk and has not said so.

    ``XAI_AUDIT_TEST_DIES`` is the file that notes it, ``XAI_AUDIT_TEST_MOMENT=committed`` the
    second moment.
    """
    flag = os.environ.get("XAI_AUDIT_TEST_DIES")
    if os.environ.get("XAI_AUDIT_TEST_MOMENT") == "committed":
        _end_once_committed(flag)
        flag = None
    return _Once(flag)


def _end_once_committed(flag: str | None) -> None:
    commit = runner.commit

    def dying(paths: RunPaths, stage: Stage, finished: Finished) -> None:
        commit(paths, stage, finished)
        if flag and stage.name == "attribute" and not Path(flag).exists():
            Path(flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    runner.commit = dying


def unexpected() -> nn.Module:
    """Whoever has made part 0 fails as a bug of ours would."""
    commit = runner.commit

    def failing(paths: RunPaths, stage: Stage, finished: Finished) -> None:
        if stage.name == "attribute" and finished.part.number == 0:
            [][1]
        commit(paths, stage, finished)

    runner.commit = failing
    return net()


def on_white() -> nn.Module:
    """A process ends on a white photo, each time."""
    return _OnWhite(kills=True)


def raising() -> nn.Module:
    """A forward raises on a white photo."""
    return _OnWhite(kills=False)


class _Slow(nn.Module):
    """Takes a second for each batch, so that a test can do something meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.body = net()

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        if len(photos) > 1:
            time.sleep(float(os.environ.get("XAI_AUDIT_TEST_SECONDS", "1")))
        return self.body(photos)


def slow() -> nn.Module:
    """See :class:`_Slow`."""
    return _Slow()
