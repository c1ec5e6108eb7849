"""A small audit of the same configuration in a folder of its own, and what its stages took."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xai_audit.errors import TooManyFailuresError
from xai_audit.index.stage import INDEX
from xai_audit.pipeline import STAGES, audit
from xai_audit.run.files import read_json, read_notes
from xai_audit.run.paths import RunPaths
from xai_audit.work.attempts import read_attempts
from xai_audit.work.audit import Audit
from xai_audit.work.parts import files_of, read_parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xai_audit.config.spec import RunSpec
    from xai_audit.work.attempts import Attempt
    from xai_audit.work.stage import Part, Stage

PHOTOS = 64
# Several parts, so that what a process needs once can be told from what every photo costs.
_PART = 16
_SAMPLED = 8  # photos that are checked and attacked; their number does not depend on the dataset
_LOCAL = {"_target_": "xai_audit.engines.local.LocalEngine", "workers": 1}
_FORWARDS = "forwards"  # as parts note them


@dataclass(frozen=True)
class Measured:
    """What a stage took in the trial.

    Attributes:
        parts: their number.
        size: of them, as the stage counts it: photos or what else; 0 where it does not.
        once: seconds that a worker takes before its first part: opening the model, first calls.
        work: seconds of all parts, without that.
        serial: seconds of the driver alone: planning and merging.
        files: of the parts.
        bytes: of these files.
        forwards: photos that went through the model; None where the stage does not count them.
    """

    parts: int
    size: int
    once: float
    work: float
    serial: float
    files: int
    bytes: int
    forwards: int | None


@dataclass(frozen=True)
class Trial:
    """What the small audit took, and the audit in full as far as its plan goes.

    Attributes:
        seconds: in all, with what is done once.
        device: that the model ran on.
        stages: name -> what it took.
        others: number and bytes of all files that are no parts: tables, pictures, the report.
        classes: name -> photos that were audited.
        full: the same folder, with the manifest of the audit in full.
    """

    seconds: float
    device: str | None
    stages: dict[str, Measured]
    others: tuple[int, int]
    classes: dict[str, int]
    full: Audit

    @property
    def photos(self) -> int:
        """That were audited."""
        return sum(self.classes.values())


def tried(spec: RunSpec, folder: Path, photos: int = PHOTOS) -> Trial:
    """The audit of ``photos`` photos, in ``folder``, which is to be empty.

    The headers of all photos are read, as the audit itself would.

    Raises:
        AuditError: as the audit would.
    """
    begun, own = time.perf_counter(), spec.settings
    settings = replace(
        own,
        limit=photos if own.limit is None else min(photos, own.limit),
        compute=replace(own.compute, part_size=min(_PART, own.compute.part_size)),
        trust=replace(own.trust, images=min(_SAMPLED, own.trust.images)),
        adversarial=replace(own.adversarial, images=min(_SAMPLED, own.adversarial.images)),
        **_here(folder),
    )
    with suppress(TooManyFailuresError):  # of a sample; the audit is complete
        audit(replace(spec, settings=settings))
    paths = RunPaths(folder)
    sampled = Audit(paths, spec, lambda _: True, planned=True)
    stages = {stage.name: _measured(paths, stage) for stage in STAGES if _ran(paths, stage)}
    of_parts = {file for stage in STAGES for file in _files(paths, stage)}
    rest = [f.stat().st_size for f in folder.rglob("*") if f.is_file() and f not in of_parts]
    sizes = sizes_of(sampled)
    # Only the manifest is made anew: the headers have been read.
    index = replace(own, stages=[INDEX.group], **_here(folder))
    with suppress(TooManyFailuresError):
        audit(replace(spec, settings=index))
    return Trial(
        seconds=time.perf_counter() - begun,
        device=(read_json(paths.run_json) or {}).get("device"),
        stages=stages,
        others=(len(rest), sum(rest)),
        classes=sizes,
        full=Audit(paths, spec, lambda _: True, planned=True),
    )


def _here(folder: Path) -> dict[str, Any]:
    return {"output_dir": str(folder), "shard": None, "progress": False, "engine": _LOCAL}


def sizes_of(audit: Audit) -> dict[str, int]:
    """Class -> its usable photos."""
    found: dict[str, int] = {}
    for name in audit.usable().column("class_name").to_pylist():
        found[name] = found.get(name, 0) + 1
    return found


def _ran(paths: RunPaths, stage: Stage) -> bool:
    return stage.name in read_json(paths.run_json)["fingerprints"]


def _files(paths: RunPaths, stage: Stage) -> list[Path]:
    """The files of the stage's parts."""
    parts = read_parts(paths, stage.name)
    beside = [RunPaths.part(paths.root / f, p.number) for f in stage.beside for p in parts]
    return [*files_of(paths, stage, parts), *beside]


def _measured(paths: RunPaths, stage: Stage) -> Measured:
    parts, files = read_parts(paths, stage.name), _files(paths, stage)
    made = [a for a in read_attempts(paths) if a.stage == stage.name and a.is_made]
    spent = sum(one.seconds or 0.0 for one in made)
    once = _once(made, {part.number: part.size or 1 for part in parts})
    whole = read_json(paths.run_json)["timings"].get(f"{stage.name}_seconds", spent)
    return Measured(
        parts=len(parts),
        size=sum(part.size for part in parts),
        once=once,
        work=spent - once,
        serial=max(whole - spent, 0.0),
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
        forwards=_forwards(paths, stage, parts, made),
    )


def _once(made: Sequence[Attempt], sizes: dict[int, int]) -> float:
    """Seconds that the first part took above the others; 0 where there are no others."""
    if len(made) < 2:
        return 0.0
    first, *rest = made
    each = sum(one.seconds or 0.0 for one in rest) / sum(sizes[one.part] for one in rest)
    return max((first.seconds or 0.0) - each * sizes[first.part], 0.0)


def _forwards(
    paths: RunPaths, stage: Stage, parts: Sequence[Part], made: Sequence[Attempt]
) -> int | None:
    """What the parts note, or what was reported while they were made; None where neither is."""
    if stage.name == "attribute":
        return sum(one.size + one.forwards for one in made)
    noted = [read_notes(file).get(_FORWARDS) for file in files_of(paths, stage, parts)]
    return sum(map(int, filter(None, noted))) if any(noted) else None
