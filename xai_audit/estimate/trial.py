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
from xai_audit.run.manifest import counted
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
_FEW = 8  # times fewer photos, to tell what is spent once from what every photo costs
# Photos that are checked, attacked and changed; their number does not depend on the dataset.
_SAMPLED = 8
# Seconds by which two trials differ by chance, which a million photos would make hours of; and what
# a stage's driver takes for each of so many (bench million), where no more was seen.
_NOISE, _MERGED = 1.0, 1e-4
_LOCAL = {"_target_": "xai_audit.engines.local.LocalEngine", "workers": 1}
_FORWARDS = "forwards"  # as parts note them


@dataclass(frozen=True)
class Measured:
    """What a stage took in the trial.

    Attributes:
        parts: their number.
        size: of them, as the stage counts it: photos or what else; 0 where it does not.
        once: seconds of a worker that do not grow: opening the model, first calls.
        work: seconds of all parts, without that.
        fixed: seconds of the driver alone, planning and merging, that do not grow.
        serial: seconds of the driver alone that do.
        files: of the parts.
        bytes: of these files.
        forwards: photos that went through the model; None where the stage does not count them.
    """

    parts: int
    size: int
    once: float
    work: float
    fixed: float
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

    The headers of all photos are read, as the audit itself would. Where there are more photos, a
    still smaller audit shows what does not grow with them.

    Raises:
        AuditError: as the audit would.
    """
    begun, paths = time.perf_counter(), RunPaths(folder)
    _audit(spec, folder, photos)
    stages = {stage.name: _measured(paths, stage, 0.0) for stage in STAGES if _ran(paths, stage)}
    of_parts = {file for stage in STAGES for file in _files(paths, stage)}
    rest = [f.stat().st_size for f in folder.rglob("*") if f.is_file() and f not in of_parts]
    found = Audit(paths, spec, lambda _: True, planned=True)
    some, counts = sizes_of(found), counted(found.manifest())
    usable = counts["ok"] + counts["left_out"]
    if sum(some.values()) < min(usable, spec.settings.limit or usable) and photos >= _FEW:
        now = time.time()
        _audit(spec, folder, photos // _FEW)
        few = sum(sizes_of(found).values()) / sum(some.values())
        for stage in STAGES:
            if stage.name in stages:
                less = _measured(paths, stage, now)
                stages[stage.name] = _split(stages[stage.name], less, few)
    # Only the manifest is made anew: the headers have been read.
    _audited(replace(spec, settings=replace(spec.settings, stages=[INDEX.group])), folder)
    return Trial(
        seconds=time.perf_counter() - begun,
        device=(read_json(paths.run_json) or {}).get("device"),
        stages=stages,
        others=(len(rest), sum(rest)),
        classes=some,
        full=found,
    )


def _audit(spec: RunSpec, folder: Path, photos: int) -> None:
    own = spec.settings
    settings = replace(
        own,
        limit=photos if own.limit is None else min(photos, own.limit),
        trust=replace(own.trust, images=min(_SAMPLED, own.trust.images)),
        adversarial=replace(own.adversarial, images=min(_SAMPLED, own.adversarial.images)),
        augmentation=replace(own.augmentation, images=min(_SAMPLED, own.augmentation.images)),
    )
    _audited(replace(spec, settings=settings), folder)


def _audited(spec: RunSpec, folder: Path) -> None:
    """Run the audit in ``folder`` and in this process."""
    place: dict[str, Any] = {"output_dir": str(folder), "shard": None, "progress": False}
    settings = replace(spec.settings, engine=_LOCAL, **place)
    with suppress(TooManyFailuresError):  # of a sample; the audit is complete
        audit(replace(spec, settings=settings, log_answer=False))


def _split(some: Measured, few: Measured, photos: float) -> Measured:
    """``some`` with what does not grow apart, by a line through two measured sizes.

    Args:
        some: of the trial.
        few: of fewer photos.
        photos: their share of the trial's.
    """
    share = few.size / some.size if some.size else photos
    if share >= 1:  # the same sample
        return some
    work, serial = (
        min(max((more - less) / (1 - share), 0.0), more)
        for more, less in ((some.work, few.work), (some.serial, few.serial))
    )
    if some.serial - few.serial < _NOISE:
        serial = min(serial, _MERGED * some.size)
    return replace(
        some,
        once=some.work - work,
        work=work,
        fixed=some.serial - serial,
        serial=serial,
    )


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


def _measured(paths: RunPaths, stage: Stage, since: float) -> Measured:
    parts, files = read_parts(paths, stage.name), _files(paths, stage)
    made = [a for a in read_attempts(paths) if a.stage == stage.name and a.is_made]
    made = [one for one in made if one.start >= since]
    spent = sum(one.seconds or 0.0 for one in made)
    whole = read_json(paths.run_json)["timings"].get(f"{stage.name}_seconds", spent)
    return Measured(
        parts=len(parts),
        size=sum(part.size for part in parts),
        once=0.0,
        work=spent,
        fixed=0.0,
        serial=max(whole - spent, 0.0),
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
        forwards=_forwards(paths, stage, parts, made),
    )


def _forwards(
    paths: RunPaths, stage: Stage, parts: Sequence[Part], made: Sequence[Attempt]
) -> int | None:
    """What the parts note, or what was reported while they were made; None where neither is."""
    if stage.name == "attribute":  # each pass begins with the photos themselves
        photos: dict[int, int] = {
            part.number: part.args["stop"] - part.args["start"] for part in parts
        }
        return sum(photos[one.part] + one.forwards for one in made)
    noted = [read_notes(file).get(_FORWARDS) for file in files_of(paths, stage, parts)]
    return sum(map(int, filter(None, noted))) if any(noted) else None
