"""gallery: tables and photos -> the pictures of the report, named by what they show."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

import pyarrow as pa

from xai_audit.errors import MaskProblem
from xai_audit.run.manifest import record_of
from xai_audit.run.record import fingerprint
from xai_audit.store.home import withdraw
from xai_audit.work.parts import part_file
from xai_audit.work.stage import Finished, Part, Plan, Stage, no_merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.report.draw import MaskOf, ViewOf
    from xai_audit.report.picture import ReportSettings
    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 2


def settings_of(audit: Audit) -> ReportSettings:
    """How much the galleries show, how large, and under which masks."""
    from xai_audit.report.picture import ReportSettings

    chosen, masks = audit.settings.report, fingerprint(audit.mask_mark(audit.selected()))
    seed = audit.settings.seed
    return ReportSettings(
        per_reason=chosen.per_reason,
        tile=chosen.tile,
        seed=seed,
        masks=masks,
        redact=chosen.redact,
        explore_images=chosen.explore_images,
    )


def language_mark(audit: Audit) -> tuple[str, ...]:
    """What a page's language adds to its stage's mark; nothing for English, as older runs have."""
    chosen = audit.settings.report.language
    return () if chosen == "en" else (chosen,)


def plan(audit: Audit) -> Plan:
    """A part for every class with pictures; what its pictures show is in their names."""
    from xai_audit.report.sections import plan_pictures
    from xai_audit.run.reader import Run

    paths, settings = audit.paths, settings_of(audit)

    def parts() -> list[Part]:
        made = []
        planned = plan_pictures(Run(paths.root), settings)
        for number, (name, pictures) in enumerate(sorted(planned.items())):
            files = [picture.file for picture in pictures]
            part = Part(number, fingerprint(_VERSION, files), {"class_name": name}, len(files))
            if not all((paths.report / file).is_file() for file in files):
                withdraw(part_file(paths, GALLERY, number))
            made.append(part)
        return made

    return Plan(fingerprint(vars(replace(settings, explore_images=0))), parts)


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """Draw the pictures of a class that are not there yet."""
    from xai_audit.report.draw import draw_pictures
    from xai_audit.report.sections import plan_pictures
    from xai_audit.run.reader import Run

    run, mask_of = Run(audit.paths.root), masks_of(audit)
    planned, folder = plan_pictures(run, settings_of(audit)), audit.paths.report
    view_of = cache(partial(_view_of, audit))
    for part in parts:
        pictures = planned[part.args["class_name"]]
        draw_pictures(run, pictures, mask_of, folder, audit.opener, lambda motif: view_of()(motif))
        progress(part.size)
        yield Finished(part, pa.table({"file": [picture.file for picture in pictures]}))


def _view_of(audit: Audit) -> ViewOf:
    from xai_audit.report.pairs import view_of  # loads torch, where such a picture is missing

    return view_of(audit)


def masks_of(audit: Audit) -> MaskOf:
    """Gives the object's mask of a photo of the audit, None where there is none."""
    rows = audit.selected()
    place = {image_id: row for row, image_id in enumerate(rows.column("image_id").to_pylist())}

    def mask_of(image_id: str) -> NDArray[np.uint8] | None:
        try:
            coverage = audit.masks.load(record_of(rows, place[image_id], audit.dataset.root))
        except MaskProblem:
            return None
        return None if coverage is None else coverage[0]

    return mask_of


GALLERY = Stage(
    "gallery", "report", _VERSION, "gallery", plan, no_merge, work, needs=("flag",),
    reads=("trust", "discover", "verdict", "agreement", "boundary", "adversarial", "augmentation"),
)  # fmt: skip
