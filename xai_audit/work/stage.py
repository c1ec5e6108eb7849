"""What a stage is: plan, work, merge.

``plan`` names the parts (a number, what it covers, a fingerprint) and is frozen in ``plan.json``
by the driver. ``work`` makes the parts that it is given and nothing else, the same bytes whoever
runs it; it imports torch inside. ``merge`` streams parts into tables. Data flows one way: a stage
never writes what an earlier one wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit


@dataclass(frozen=True)
class Part:
    """A piece of a stage's work, and the file that it becomes.

    Attributes:
        number: names the file.
        fingerprint: of everything that decides its rows; the file is done when it carries it.
        args: what it covers, as JSON values.
        size: how much it is, for the progress bar: images, or what the stage counts.
    """

    number: int
    fingerprint: str
    args: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True)
class Plan:
    """What a stage has to do.

    Attributes:
        fingerprint: of everything that decides the stage's tables; where it holds, nothing is done.
        parts: lists the parts, which may cost more than the fingerprint.
        outputs: files that must be there for the stage to be current.
    """

    fingerprint: str
    parts: Callable[[], list[Part]] = list
    outputs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Finished:
    """A part that has been worked out, to be committed.

    Attributes:
        part: of the plan.
        table: its rows.
        notes: what the merge needs to know besides the rows.
        also: tables of the same pass that belong to other stages: (file, fingerprint, table).
    """

    part: Part
    table: pa.Table
    notes: Mapping[str, str] = field(default_factory=dict)
    also: Sequence[tuple[Path, str, pa.Table]] = ()


class Work(Protocol):
    """Makes parts, in the order given; every finished one is committed before the next begins."""

    def __call__(
        self, audit: Audit, parts: Sequence[Part], progress: Progress
    ) -> Iterator[Finished]:
        """Yield each of ``parts``, at least one; ``progress`` may raise to stop."""


@dataclass(frozen=True)
class Stage:
    """One stage of an audit.

    Attributes:
        name: its own.
        group: the word of ``stages=[...]`` that it runs under.
        version: raised by hand when the rows that its code makes change.
        folder: where its parts go, relative to the output folder.
        plan: see the module.
        work: see the module; None for a stage that only merges.
        merge: sees the plan's parts, all of them on disk; what it returns goes into ``run.json``.
        needs: stages that must be current.
        reads: further stages whose tables it reads where they are current.
        prefix: of its part files.
        beside: folders with a second table of each part, written by the same work under the same
            fingerprint: a part is done when all of them are there.
    """

    name: str
    group: str
    version: int
    folder: str
    plan: Callable[[Audit], Plan]
    merge: Callable[[Audit, list[Part]], dict[str, Any]]
    work: Work | None = None
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    prefix: str = "part"
    beside: tuple[str, ...] = ()


class Engine(Protocol):
    """Where the parts of a stage are worked on; it knows no stage and keeps no state.

    Its factory gets, besides its own keys, ``driver``, which makes parts in the driver's process
    (``make(stage, numbers)``), sleeps, shows the parts that appear on disk and raises where the run
    is to stop (``pause(seconds)``), tells which parts are missing (``left()``), and notes that a
    worker died on a part (``lost(number, ended, pid)``).
    """

    def run(self, folder: Path, stage: str, numbers: Sequence[int]) -> None:
        """See that the parts ``numbers`` of ``stage`` are made; return when nothing more will be.

        A part is made by ``python -m xai_audit.work FOLDER STAGE NUMBERS`` or the same in process.
        What counts is what lies in ``folder`` afterwards: the driver looks for itself. Where the
        engine has words in ``elsewhere``, what is missing is no error: others have yet to make it,
        and the words say how.
        """

    def close(self) -> None:
        """Free what it holds; called once, at the end of the run, however that ended."""


def no_merge(_audit: Audit, _parts: list[Part]) -> dict[str, Any]:
    """Nothing: the parts are the table."""
    return {}
