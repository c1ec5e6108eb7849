"""Worker processes that read photos: torch's, made fit for a run that must end in one line.

torch puts the traceback of what a worker raises into its message; an error of ours comes out of
here as it is. Where a worker dies torch raises at whatever line the process is; the error is ours
too. And it waits for ever where shared memory is full: where there is little of it, as in a
container, what workers make comes through pipes, which takes longer.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

from xai_audit.errors import AuditError, LostReaderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

T = TypeVar("T")

log = logging.getLogger(__name__)

# How torch's messages of a dead worker begin, and of what one has raised.
_DEAD, _RAISED = "DataLoader worker (pid", "Caught "
_SHARED = "/dev/shm"  # noqa: S108 - where the system keeps what processes share
# Batches of a worker that may be there: two that wait, one in hand; and as many of another process.
_BATCHES = 6

# Those with worker processes; and what has been warned of.
_living: weakref.WeakSet[Workers[Any]] = weakref.WeakSet()
_warned: list[str] = []


class Workers(Generic[T]):
    """The items of a dataset, or batches of them, made by worker processes, in their order.

    Args:
        dataset: whose ``__getitem__`` runs in the workers.
        num_workers: processes; 0 makes the items in this one.
        collate: makes a batch of items; None where each item comes by itself.
        batch_bytes: of the tensors of a batch, or of an item that comes by itself, at most.
        options: further ones of torch's DataLoader.

    Raises:
        AuditError: when iterated, what the dataset raises.
        LostReaderError: while it is iterated, a worker died.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        num_workers: int,
        collate: Callable[[list[Any]], T] | None = None,
        batch_bytes: int = 0,
        **options: Any,  # noqa: ANN401 - torch's own
    ) -> None:
        piped = num_workers > 0 and not _has_room(_BATCHES * num_workers * batch_bytes)
        self._loader = DataLoader(
            _Caught(dataset),
            num_workers=num_workers,
            collate_fn=_Sent(collate, piped=piped),
            worker_init_fn=quiet if num_workers else None,
            **options if collate else {"batch_size": None, **options},
        )
        if num_workers:
            _living.add(self)

    def __iter__(self) -> Iterator[T]:
        """Each of them."""
        for found in _watched(self._loader):
            item = pickle.loads(found) if isinstance(found, bytes) else found  # noqa: S301 - ours
            if isinstance(item, AuditError):
                raise item
            yield item


def _watched(loader: DataLoader[Any]) -> Iterator[Any]:
    """What the loader's workers make; LostReaderError where one of them dies."""
    try:
        found = iter(loader)
        _catch_deaths()
        yield from found
    except (RuntimeError, EOFError, OSError) as exc:
        # What it had sent is fetched from it: where it is gone, so is the other end of a socket.
        gone = isinstance(exc, EOFError | ConnectionError | FileNotFoundError)
        gone = gone and loader.num_workers > 0 and not str(exc).startswith(_RAISED)
        if not gone and not str(exc).startswith(_DEAD):
            raise
        raise _lost(exc) from exc


def _catch_deaths() -> None:
    """Have torch's handler, if it has set one, raise an error of ours: it may do so anywhere."""
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return
    handler = signal.getsignal(signal.SIGCHLD)
    if not callable(handler) or not str(handler.__module__).startswith("torch."):
        return

    def on_death(signum: int, frame: FrameType | None) -> None:
        try:
            handler(signum, frame)
        except RuntimeError as exc:
            if not _living:  # somebody else's
                raise
            raise _lost(exc) from exc

    signal.signal(signal.SIGCHLD, on_death)


def _lost(exc: Exception) -> LostReaderError:
    return LostReaderError(
        "a process that reads photos ended; everything finished so far is kept",
        got=str(exc).partition("It is possible")[0].strip() or type(exc).__name__,
        remedy="run the same command again; with compute.num_workers=0 it reads them itself, "
        "which takes less memory",
    )


class _Caught(Dataset[Any]):
    """A dataset that returns its AuditErrors; no item of a batch is made after one."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - any dataset's
        try:
            return self._dataset[index]
        except AuditError as exc:
            return exc

    def __getitems__(self, indices: Sequence[Any]) -> list[Any]:
        """Those of a batch, as torch requests them."""
        found: list[Any] = []
        for index in indices:
            found.append(self[index])
            if isinstance(found[-1], AuditError):
                break
        return found


class _Sent:
    """What leaves a worker: the batch or item, or the first error; through a pipe as bytes."""

    def __init__(self, collate: Callable[[list[Any]], Any] | None, *, piped: bool) -> None:
        self._collate, self._piped = collate, piped

    def __call__(self, found: Any) -> Any:  # noqa: ANN401 - any dataset's
        if self._collate is not None:
            error = next((item for item in found if isinstance(item, AuditError)), None)
            found = error or self._collate(found)
        return pickle.dumps(found, pickle.HIGHEST_PROTOCOL) if self._piped else found


def quiet(_worker: int) -> None:
    """Ignore signals in a worker: the main process handles them and still needs the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _has_room(wanted: int) -> bool:
    """Whether there are ``wanted`` bytes of shared memory."""
    try:
        found = os.statvfs(_SHARED)
    except OSError:  # another kind of system
        return True
    free = found.f_bavail * found.f_frsize
    if free < wanted and not _warned:
        _warned.append(_SHARED)
        log.warning(
            "%s has %d MiB free: photos come out of worker processes through pipes, which takes "
            "longer; a container is given more by --shm-size=%dm",
            _SHARED,
            free // 2**20,
            -(-wanted // 2**20),
        )
    return free >= wanted
