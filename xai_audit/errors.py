"""The errors that users meet, each one line: what, where, expected, got, remedy.

AuditError                     anything that ends the run with a line instead of a traceback
├── ConfigError                a key, a value or a combination of them             exit 2
│   ├── ModelError             a checkpoint, a layer, a number of outputs           exit 2
│   ├── DatasetError           a folder, a table, a class list                      exit 2
│   └── OutputError            an output folder that is not ours or not writable    exit 2
├── PluginError                a plugin broke its contract (names plugin and images) exit 1
├── GateError                  a rule of ``gate.*`` does not hold                  exit 3
├── TooManyFailuresError       more images failed than ``max_failed_fraction``      exit 4
├── LostReaderError            a process that reads photos ended                   exit 1
├── WorkerError                what a worker process says, with its exit code
├── PoisonError                parts that end the processes that make them          exit 4
├── WaitingError               parts are left to other processes                    exit 0
└── StoppedError               SIGINT or SIGTERM; what was finished is kept         exit 130/143

ImageProblem and MaskProblem are not errors of the run: each becomes the status of one row.
CueProblem is not one either: the photo is left out for that cue.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# Parts of the messages of CPU allocators that fail; CUDA raises a type of its own.
_CPU_SIGNS = (
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "out of memory",
    "could not create a memory object",
    "could not create a primitive",
)

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")  # in memory: it differs from process to process
# Control characters, ends of lines, what turns the direction of a text, halves of a character.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_PART = 4000  # letters of a part of an error's line, as of a list of keys
_LONGEST = 200  # letters of a message that are kept


class AuditError(Exception):
    """A failure that the user sees as one line.

    Args:
        what: what went wrong, in a few words.
        where: the file, key or image it concerns.
        expected: what would have been right.
        got: what was found instead.
        remedy: what the user can do.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        expected: object = None,
        got: object = None,
        remedy: object = None,
    ) -> None:
        self.what = what
        parts = [what if where is None else f"{what}: {where}"]
        parts += [
            f"{name} {value}"
            for name, value in (("expected", expected), ("got", got), ("remedy:", remedy))
            if value is not None
        ]
        super().__init__(" | ".join(map(_told, parts)))


class ConfigError(AuditError):
    """A key, a value or a combination of them that cannot work."""

    exit_code = 2


class ModelError(ConfigError):
    """A model, checkpoint or layer that does not fit."""


class DatasetError(ConfigError):
    """A dataset that is missing, empty or does not fit the model."""


class OutputError(ConfigError):
    """An output folder that holds something else or cannot be written."""


class PluginError(AuditError):
    """A plugin that broke its contract; names the plugin and the images."""


class GateError(AuditError):
    """A rule of ``gate.*`` does not hold; the audit itself is finished.

    Args:
        folder: its output folder.
        rules: what does not hold.
        remedy: where to look.
    """

    exit_code = 3

    def __init__(self, folder: Path, rules: str, remedy: str) -> None:
        super().__init__("the gate failed", where=folder, got=rules, remedy=remedy)
        self.folder = folder


class TooManyFailuresError(AuditError):
    """More images failed than ``max_failed_fraction`` allows; everything else is finished."""

    exit_code = 4


class LostReaderError(AuditError):
    """A process that reads photos ended, as by the system for want of memory."""


class WorkerError(AuditError):
    """A worker process refused its parts, or none starts; carries the process's own exit code."""

    @classmethod
    def of(cls, line: str, code: int) -> WorkerError:
        """What a worker said, as it said it."""
        error = cls(line)
        error.exit_code = code
        return error


class PoisonError(AuditError):
    """Parts that end every process that makes them; all others are finished.

    Args:
        stage: its name.
        parts: number -> how the last process ended.
    """

    exit_code = 4

    def __init__(self, stage: str, parts: Mapping[int, str]) -> None:
        number, ended = next(iter(parts.items()))
        some = f"{len(parts)} part{'s' * (len(parts) != 1)}"
        super().__init__(
            f"{some} of {stage} ended the processes that made them",
            got=f"part {number}: {ended}",
            remedy=f"make it alone to see why: python -m xai_audit.work FOLDER {stage} {number}",
        )


class WaitingError(AuditError):
    """Parts of a stage are left to other processes; what was planned is there for them.

    Args:
        stage: its name.
        numbers: of the parts that are missing.
        count: of all its parts.
        how: others make them.
    """

    exit_code = 0
    merge_code = 75  # of ``python -m xai_audit.work RUN --merge``, which does not end the audit yet

    def __init__(self, stage: str, numbers: Sequence[int], count: int, how: str) -> None:
        super().__init__(
            f"{len(numbers)} of {count} parts of {stage} are left to other processes",
            got=f"missing {spans(numbers)}",
            remedy=how,
        )


def spans(numbers: Sequence[int]) -> str:
    """Numbers in a scheduler's way: ``0-3,7``."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{a}-{b}" if a < b else str(a) for a, b in found)


class StoppedError(AuditError):
    """A signal ended the run; every finished part is kept and the same command resumes.

    Args:
        signum: the signal's number, 2 or 15.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(
            f"stopped by signal {signum}; finished parts are kept",
            remedy="run the same command again to resume",
        )
        self.signum = signum


class ImageProblem(Exception):  # noqa: N818 - a row's status, not an error of the run
    """Why one image cannot be used: ``status`` for the manifest and a message."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = spelled_out(" ".join(message.split()))

    def __reduce__(self) -> tuple[type[ImageProblem], tuple[str, str]]:
        """Rebuild with both arguments on the other side of a process border."""
        return type(self), (self.status, self.message)


class MaskProblem(ImageProblem):
    """Why one image has no usable mask; the image is attributed all the same."""


class CueProblem(Exception):  # noqa: N818 - a photo left out, not an error of the run
    """Why a cue cannot be read in a photo or transplanted; the photo is left out for this cue.

    Args:
        cue: its name.
        where: id of the image, with that of the donor for a transplant.
        reason: in one line.
    """

    def __init__(self, cue: str, where: str, reason: str) -> None:
        super().__init__(f"cue {cue} failed: {where} | got {reason}")
        self.cue, self.where, self.reason = cue, where, reason

    def __reduce__(self) -> tuple[type[CueProblem], tuple[str, str, str]]:
        """Rebuild with all arguments on the other side of a process border."""
        return type(self), (self.cue, self.where, self.reason)

    @classmethod
    def of(cls, exc: Exception, *, cue: str, where: str) -> CueProblem:
        """From whatever a cue raises: its type and first line, the same in every process."""
        first = next(iter(str(exc).strip().splitlines()), "")
        text = _ADDRESS.sub("0x...", f"{type(exc).__name__}: {first}")
        return cls(cue, where, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _told(part: str) -> str:
    """A part of an error's line, cut where nobody would read on."""
    text = spelled_out(" ".join(part.split()))
    return text if len(text) <= _LONGEST_PART else f"{text[:_LONGEST_PART]}..."


def spelled_out(text: str) -> str:
    r"""``text`` with what a terminal would obey or hide spelled as in Python, ``\x1b`` for one.

    Names of files and classes are a stranger's: none may colour, move, reorder or forge a line.
    """
    return _CONTROL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    letter = ord(found[0])
    # A byte that is no UTF-8, as Python has it in a file's name.
    return f"\\x{letter - 0xDC00:02x}" if 0xDC80 <= letter <= 0xDCFF else ascii(found[0])[1:-1]


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether ``exc`` is an allocator's failure, on a GPU or a CPU."""
    # torch.OutOfMemoryError by its name: not every caller has loaded torch.
    if isinstance(exc, MemoryError) or type(exc).__name__ == "OutOfMemoryError":
        return True
    return isinstance(exc, RuntimeError) and any(sign in str(exc) for sign in _CPU_SIGNS)


def nearest(name: object, names: Iterable[str]) -> str:
    """Up to three of ``names`` that look like ``name``, else the first few, as one text."""
    known = list(names)
    close = similar(name, known)
    return ", ".join(close) if close else ", ".join([*known[:5], "..."][: len(known)])


def similar(name: object, names: Iterable[str]) -> list[str]:
    """Up to three of ``names`` that look like ``name``, the most similar first.

    Where none does, one with the same last word: ``regions.border`` for ``b.border``.
    """
    known = list(names)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    last = str(name).rpartition(".")[2]
    return close or [key for key in known if key.rpartition(".")[2] == last][:1]
