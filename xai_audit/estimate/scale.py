"""From what a trial took to what the audit in full takes: parts as planned, costs in proportion.

Every stage grows with one thing, which is known of the whole dataset once its headers are read.
What no photo of the trial could show, transplants where it has too few photos of a class, is
bounded from above and marked as that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xai_audit.adversarial.stage import ADVERSARIAL
from xai_audit.attribute.stage import ATTRIBUTE
from xai_audit.augmentation.stage import AUGMENTATION
from xai_audit.estimate.trial import sizes_of
from xai_audit.evidence.budget import share
from xai_audit.evidence.plan import MIN_IMAGES
from xai_audit.evidence.stages.survey import SURVEY
from xai_audit.faithfulness.stage import TRUST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xai_audit.estimate.trial import Measured, Trial

FILES, PHOTOS, SAMPLE, SURVEYED = "files", "photos", "sampled photos", "surveyed photos"
AVAILABLE, PAIRS, CLASSES = "surveyed photos x classes", "classes x cues x pairs", "classes"
GROWS_WITH = {
    "index": FILES, "mask": PHOTOS, "attribute": PHOTOS, "score": PHOTOS, "trust": SAMPLE,
    "discover": PHOTOS, "survey": SURVEYED, "availability": AVAILABLE, "attention": SURVEYED,
    "transplant": PAIRS, "carriers": PAIRS, "joint": PAIRS, "verdict": CLASSES, "agreement": PHOTOS,
    "boundary": PHOTOS, "adversarial": SAMPLE, "augmentation": SAMPLE, "flag": PHOTOS,
    "gallery": CLASSES, "explore": PHOTOS, "page": CLASSES,
}  # fmt: skip
MEASURED, SCALED, AT_MOST, UNKNOWN = "measured", "scaled", "at most", "not measured"
# Stages with a part for some photos: one for each, or one for all methods of them.
_OF_PHOTOS = ("mask", "score", "agreement")
# Stages with a part a class.
_A_CLASS = ("transplant", "carriers", "joint", "gallery")
_PLANNED = (ATTRIBUTE, TRUST, SURVEY, ADVERSARIAL, AUGMENTATION)
# Reliance and pull, two forwards a pair.
_FORWARDS = 4


@dataclass(frozen=True)
class Predicted:
    """What a stage of the audit in full takes.

    Attributes:
        stage: name.
        parts: their number.
        files: of the parts.
        bytes: of these files.
        forwards: photos that go through the model; None where the stage does not count them.
        once: seconds that each worker takes before its first part.
        work: seconds of all parts, by one worker.
        serial: seconds of the driver alone.
        grows_with: what the costs are in proportion to.
        basis: ``measured`` where the trial had all of that, ``scaled``, ``at most`` or
            ``not measured``.
    """

    stage: str
    parts: int
    files: int
    bytes: int
    forwards: int | None
    once: float
    work: float
    serial: float
    grows_with: str
    basis: str

    def seconds(self, workers: int) -> float:
        """By so many workers, each as fast as the one that was measured."""
        return self.once + self.work / max(1, min(workers, self.parts)) + self.serial


def predicted(trial: Trial) -> list[Predicted]:
    """A row for every stage that the trial ran, in their order."""
    plans = _planned(trial)
    shares = _shares(trial, plans)
    found = []
    for name, measured in trial.stages.items():
        times = shares[GROWS_WITH[name]] if name not in plans else _ratio(plans[name][1], measured)
        row = _scaled(name, measured, times or 1.0, _parts(name, trial, plans))
        row = row if times is not None else _bounded(row, trial)
        found.append(_afforded(row, trial) if row.grows_with == PAIRS else row)
    return found


def seconds(rows: Sequence[Predicted], workers: int) -> float:
    """Of all stages, one after the other."""
    return sum(row.seconds(workers) for row in rows)


def _planned(trial: Trial) -> dict[str, tuple[int, int]]:
    """Stage -> number and size of its parts, by its own plan of the audit in full."""
    found = {}
    for stage in _PLANNED:
        if stage.name in trial.stages:
            parts = stage.plan(trial.full).parts()
            found[stage.name] = len(parts), sum(part.size for part in parts)
    return found


def _ratio(size: int, measured: Measured) -> float:
    return size / measured.size if measured.size else 1.0


def _shares(trial: Trial, plans: Mapping[str, tuple[int, int]]) -> dict[str, float | None]:
    """What the costs grow with -> how much more of it the audit has; None: the trial had none."""
    full, some = sizes_of(trial.full), trial.classes
    per_class = trial.full.settings.evidence.images_per_class
    classes, photos = len(full) / len(some), sum(full.values()) / sum(some.values())
    surveyed = 1.0
    if SURVEY.name in plans:
        surveyed = _ratio(plans[SURVEY.name][1], trial.stages[SURVEY.name])
    pairs, measured = _pairs(full, per_class), _pairs(some, per_class)
    return {
        FILES: 1.0, PHOTOS: photos, SAMPLE: 1.0, SURVEYED: surveyed, CLASSES: classes,
        AVAILABLE: surveyed * classes,
        PAIRS: pairs / measured if measured else (None if pairs else 1.0),
    }  # fmt: skip


def _pairs(sizes: Mapping[str, int], per_class: int) -> int:
    """Pairs of all classes for one question of one cue; too few answer nothing and cost nothing."""
    return sum(min(size, per_class) for size in sizes.values() if size >= MIN_IMAGES)


def _parts(name: str, trial: Trial, plans: Mapping[str, tuple[int, int]]) -> int:
    measured = trial.stages[name]
    if name in plans:
        return plans[name][0]
    if name in _OF_PHOTOS:
        explained = trial.stages.get(ATTRIBUTE.name)
        ratio = measured.parts / explained.parts if explained and explained.parts else 0
        return round(plans[ATTRIBUTE.name][0] * ratio) if ratio else 0
    if name in _A_CLASS:
        return math.ceil(measured.parts * len(sizes_of(trial.full)) / len(trial.classes))
    return measured.parts


def _scaled(name: str, measured: Measured, times: float, parts: int) -> Predicted:
    forwards = None if measured.forwards is None else round(measured.forwards * times)
    return Predicted(
        stage=name,
        parts=parts,
        files=parts * measured.files // max(measured.parts, 1),
        bytes=round(measured.bytes * times),
        forwards=forwards,
        once=measured.once,
        work=measured.work * times,
        serial=measured.fixed + measured.serial * times,
        grows_with=GROWS_WITH[name],
        basis=MEASURED if times == 1.0 else SCALED,
    )


def _bounded(row: Predicted, trial: Trial) -> Predicted:
    """Transplants that the trial had too few photos of a class for: every pair of every cell."""
    if row.stage != "transplant":
        return replace(row, basis=UNKNOWN)
    settings, classes = trial.full.settings.evidence, sizes_of(trial.full)
    cues, explained = trial.stages["availability"].parts, trial.stages[ATTRIBUTE.name]
    forwards = _FORWARDS * cues * _pairs(classes, settings.images_per_class)
    # Where fewer photos took no less time, all that was spent bounds what a photo takes.
    each = (explained.work or explained.once) / max(explained.forwards or 0, 1)
    return replace(row, parts=len(classes), forwards=forwards, work=forwards * each, basis=AT_MOST)


def _afforded(row: Predicted, trial: Trial) -> Predicted:
    """No more forwards than ``evidence.max_forwards`` allows."""
    budget = trial.full.settings.evidence.max_forwards
    if budget is None or not row.forwards or row.forwards <= (most := share(row.stage, budget)):
        return row
    return replace(row, forwards=most, work=row.work * most / row.forwards, basis=AT_MOST)
