"""A process that makes parts on request: ``python -m xai_audit.work RUN`` between two pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from queue import SimpleQueue

_KEPT = 20  # lines of what a process said last, for the error where it dies


class Worker:
    """One process, its device and cores; it ends when its input does, so also with the driver.

    Args:
        number: its place among the workers.
        folder: of the audit.
        cores: that it may use; empty: all.
        device: the GPU that it sees, as CUDA_VISIBLE_DEVICES spells it; None: all.
        said: gets (this worker, message) for each line that it writes, and None at its end.
    """

    def __init__(
        self,
        number: int,
        folder: Path,
        *,
        cores: Sequence[int],
        device: str | None,
        said: SimpleQueue[tuple[Worker, dict[str, Any] | None]],
    ) -> None:
        self.number, self.parts, self._said = number, list[int](), said
        self.is_ready = False
        self._last: deque[str] = deque(maxlen=_KEPT)
        command = [sys.executable, "-m", "xai_audit.work", str(folder)]
        if cores:
            command += ["--cores", ",".join(map(str, cores))]
        environment = dict(os.environ)
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is the driver's to handle
        )
        readers = (self._listen, self._forward)
        self._readers = [threading.Thread(target=each, daemon=True) for each in readers]
        for reader in self._readers:
            reader.start()

    def ask(self, stage: str, numbers: Sequence[int]) -> None:
        """Have it make parts, in the order given."""
        self.parts = list(numbers)
        with suppress(OSError):  # it is dead, which the end of its output says
            print(json.dumps({"stage": stage, "parts": self.parts}), file=self._in, flush=True)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """How it ended, and what it wrote last."""
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return " ".join([how, *[f"| {line}" for line in list(self._last)[-1:]]])

    def end(self) -> None:
        """End it; a part in its hands is lost."""
        if self.parts:
            self._process.kill()
        with suppress(OSError):
            self._in.close()
        self._process.wait()
        for reader in self._readers:
            reader.join(timeout=5)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @property
    def _in(self) -> Any:  # noqa: ANN401 - a text stream
        return self._process.stdin

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._said.put((self, json.loads(line)))
        self._said.put((self, None))

    def _forward(self) -> None:
        """Pass on what it logs, and keep the end."""
        for line in self._process.stderr or ():
            self._last.append(line.rstrip())
            sys.stderr.write(line)
