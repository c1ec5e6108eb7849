"""A worker of Ray from both sides: what runs in its process, and what the driver holds of it."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_audit.errors import AuditError, LostReaderError, OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping

Refusal = tuple[str, int]  # an error's line and exit code


class Maker:
    """The worker's side: makes parts of one audit, which it opens once.

    Args:
        folder: of the audit.
        home: the driver's working folder, from which relative paths of its command start.
    """

    def __init__(self, folder: str, home: str) -> None:
        self._folder, self._home = Path(folder), Path(home)
        self._command: Any = None
        self._audit: Any = None

    def open(self) -> Refusal | None:
        """None once it can make parts, else why it cannot."""
        if self._audit is not None:
            return None
        if self._home.is_dir():
            os.chdir(self._home)
        try:
            # By its name, as the local engine runs it: it knows all stages, an engine none.
            self._command = import_module("xai_audit.work.__main__")
            self._audit = self._command.opened(self._folder)
        except AuditError as exc:
            found = exc if self._folder.is_dir() else self._unseen()
            return str(found), found.exit_code
        return None

    def make(self, stage: str, number: int) -> Refusal | None:
        """None once part ``number`` of ``stage`` is committed, else what is wrong."""
        try:
            for _ in self._command.made(self._audit, stage, [number]):
                pass
        except LostReaderError:
            raise  # a part that was lost is made again
        except AuditError as exc:
            return str(exc), exc.exit_code
        return None

    def _unseen(self) -> OutputError:
        return OutputError(
            "a node of the cluster does not see the output folder",
            where=self._folder,
            got=f"nothing there on {socket.gethostname()}",
            remedy="output_dir on storage that all nodes share, as the photos are",
        )


class Worker:
    """The driver's side: an actor that opens the audit, then has one part in hand at a time.

    Args:
        ray: the package.
        folder: of the audit.
        takes: its cores and GPUs, and its environment, as options of an actor.

    Attributes:
        part: in its hands.
        call: that it has yet to answer.
        is_open: whether it has said so since it was last requested to open.
        was_open: whether it has ever said so.
    """

    def __init__(self, ray: Any, folder: Path, takes: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._ray = ray
        # The driver counts what is lost and starts others: Ray's own retries would hide it.
        actor = ray.remote(Maker).options(max_restarts=0, max_task_retries=0, **takes)
        self._actor = actor.remote(str(folder), os.getcwd())  # noqa: PTH109 - goes as text
        self.part: int | None = None
        self.was_open = False
        self.open()

    @property
    def is_idle(self) -> bool:
        """Whether it can be given a part."""
        return self.call is None

    def open(self) -> None:
        """Have it open the audit, or say that it lives and has."""
        self.is_open, self.call = False, self._actor.open.remote()

    def make(self, stage: str, number: int) -> None:
        """Have it make a part."""
        self.part, self.call = number, self._actor.make.remote(stage, number)

    def answer(self) -> Refusal | None:
        """What its call, which is done, came to; raises a RayError where the actor is lost."""
        refusal: Refusal | None = self._ray.get(self.call)
        self.part, self.call, self.is_open, self.was_open = None, None, True, True
        return refusal

    def end(self) -> None:
        """End it; a part in its hands is lost."""
        with suppress(self._ray.exceptions.RayError, OSError):
            self._ray.kill(self._actor)
