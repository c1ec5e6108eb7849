"""Part files: done is what lies there with the right fingerprint; missing is the plan less that.

Why the part files are the only record of what is done: a list of finished parts beside them could
disagree with the disk after a kill, and a claim could outlive the worker that made it. A file
appears whole or not at all, and says in its footer what it was made from. Two workers on one part
write the same bytes, so that no lock is needed: it costs time, never a row.

Why the driver alone writes ``plan.json``: a worker that planned for itself would list the dataset
again, perhaps after a photo was added, and cut other parts. All workers read one plan, and a file
with one writer needs no lock.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xai_audit.config.spec import RunSpec
from xai_audit.errors import OutputError
from xai_audit.run.files import read_json, read_notes, write_json, write_table
from xai_audit.run.leftovers import remove_leftovers
from xai_audit.run.paths import RunPaths
from xai_audit.run.record import fingerprint
from xai_audit.store.address import home_of
from xai_audit.store.home import fetch, fetch_files, withdraw
from xai_audit.work.stage import Part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xai_audit.work.stage import Finished, Stage

FINGERPRINT = "fingerprint"
_THREADS = 8
_FEW = 16  # files that a store is asked for one by one; of more it lists the folders


def in_spans(count: int, size: int, mark: str) -> list[Part]:
    """Parts of at most ``size`` of ``count`` rows; their arguments are ``start`` and ``stop``."""
    spans = [range(count)[at : at + size] for at in range(0, count, size)]
    return [
        Part(number, mark, {"start": span.start, "stop": span.stop}, len(span))
        for number, span in enumerate(spans)
    ]


def part_file(paths: RunPaths, stage: Stage, number: int) -> Path:
    """The file of part ``number`` of ``stage``."""
    return RunPaths.part(paths.root / stage.folder, number, prefix=stage.prefix)


def _files(paths: RunPaths, stage: Stage, part: Part) -> list[Path]:
    """The file of ``part`` and those beside it."""
    beside = [RunPaths.part(paths.root / folder, part.number) for folder in stage.beside]
    return [part_file(paths, stage, part.number), *beside]


def files_of(paths: RunPaths, stage: Stage, parts: Sequence[Part]) -> list[Path]:
    """The files of ``parts``, in their order."""
    return [part_file(paths, stage, part.number) for part in parts]


def missing(paths: RunPaths, stage: Stage, parts: Sequence[Part]) -> list[Part]:
    """The parts that are not there with their fingerprint; each footer is read once."""
    _look(paths, [file for part in parts for file in _files(paths, stage, part)])

    def is_done(part: Part) -> bool:
        files = _files(paths, stage, part)
        return all(read_notes(file).get(FINGERPRINT) == part.fingerprint for file in files)

    with ThreadPoolExecutor(_THREADS) as pool:
        done = pool.map(is_done, parts)
        return [part for part, is_there in zip(parts, done, strict=True) if not is_there]


def _look(paths: RunPaths, files: Sequence[Path]) -> None:
    """See what has come of ``files`` where the run is at home in a store."""
    if home_of(paths.root) is None:
        return
    if len(files) <= _FEW:
        fetch_files(files)
    else:
        for folder in {file.parent for file in files}:
            fetch(folder)


def commit(paths: RunPaths, stage: Stage, finished: Finished) -> None:
    """Write a finished part; what belongs to other stages first, so that the part is the last."""
    for path, mark, table in finished.also:
        write_table(path, table, {FINGERPRINT: mark})
    notes = {FINGERPRINT: finished.part.fingerprint, **finished.notes}
    write_table(part_file(paths, stage, finished.part.number), finished.table, notes)


def publish(paths: RunPaths, stage: Stage, parts: Sequence[Part], target: Path) -> None:
    """Put the rows of ``parts``, small tables, at ``target``, where readers look for them."""
    write_table(target, pa.concat_tables(map(pq.read_table, files_of(paths, stage, parts))))


def clean(paths: RunPaths, stage: Stage, parts: Sequence[Part]) -> list[Part]:
    """The missing parts, after parts of another plan and what dead writers left are deleted.

    The driver's, before work begins.
    """
    todo = missing(paths, stage, parts)
    stale = {part.number for part in todo}
    wanted = {
        file for part in parts if part.number not in stale for file in _files(paths, stage, part)
    }
    folders = {stage.folder: stage.prefix, **dict.fromkeys(stage.beside, "part")}
    for folder, prefix in folders.items():
        remove_leftovers(paths.root / folder)
        for path in RunPaths.parts(paths.root / folder, prefix=prefix):
            if path not in wanted:
                withdraw(path)
    return todo


def write_plan(
    paths: RunPaths, spec: RunSpec, stage: str, parts: Sequence[Part], *, current: Sequence[str]
) -> None:
    """Freeze the parts of ``stage`` in ``plan.json``, beside those of the stages in ``current``.

    What was planned for another stage may be of other settings, and is planned anew in its turn.

    Args:
        paths: of the run.
        spec: its description.
        stage: name.
        parts: of the stage.
        current: the stages whose tables are up to date.
    """
    noted = read_json(paths.plan_json)
    before: dict[str, Any] = noted.get("stages", {}) if isinstance(noted, dict) else {}
    stages = {name: planned for name, planned in before.items() if name in current}
    stages[stage] = [asdict(part) for part in parts]
    # Relative paths of the command start where it was given.
    home = {"home": os.getcwd()}  # noqa: PTH109 - goes as text
    content = {"spec": spec.to_json(), "current": list(current), "stages": stages, **home}
    write_json(paths.plan_json, content)


def read_spec(paths: RunPaths) -> RunSpec:
    """The description that the driver froze.

    Raises:
        OutputError: there is none.
    """
    return RunSpec.from_json(_plan(paths)["spec"])


def read_home(paths: RunPaths) -> Path | None:
    """The folder that relative paths of the description start from; None where it is not noted."""
    home = _plan(paths).get("home")
    return None if home is None else Path(home)


def read_current(paths: RunPaths) -> frozenset[str]:
    """The stages whose tables were up to date when the driver planned last.

    Raises:
        OutputError: there is no plan.
    """
    return frozenset(_plan(paths)["current"])


def read_parts(paths: RunPaths, stage: str) -> list[Part]:
    """The parts that the driver planned for ``stage``; none where it has not."""
    noted = read_json(paths.plan_json)
    stages = noted["stages"] if isinstance(noted, dict) else {}
    return [Part(**part) for part in stages.get(stage, [])]


def parts_mark(paths: RunPaths, stage: str) -> str:
    """A fingerprint of all planned parts of ``stage``: what their rows are."""
    return fingerprint([part.fingerprint for part in read_parts(paths, stage)])


def _plan(paths: RunPaths) -> dict[str, Any]:
    noted = read_json(paths.plan_json)
    if not isinstance(noted, dict):
        raise OutputError(
            "no plan yet",
            where=paths.plan_json,
            expected="the plan that an audit writes when it starts",
            remedy="run the audit itself (engine.workers=0 only plans), or name its output folder",
        )
    return noted
