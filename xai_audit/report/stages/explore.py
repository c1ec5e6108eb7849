"""explore: tables and photos -> ``report/explore.html`` and the data beside it, in slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xai_audit.language import speaking
from xai_audit.report.stages.gallery import language_mark, masks_of, settings_of
from xai_audit.run.record import fingerprint
from xai_audit.store.home import withdraw
from xai_audit.work.parts import part_file
from xai_audit.work.stage import Finished, Part, Plan, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xai_audit.run.progress import Progress
    from xai_audit.work.audit import Audit

_VERSION = 1


def plan(audit: Audit) -> Plan:
    """A part for every sheet of pictures; what it shows is in its name."""
    from xai_audit.report.explore.build import read_material
    from xai_audit.report.explore.sheets import is_drawn
    from xai_audit.run.reader import Run

    paths, settings = audit.paths, settings_of(audit)

    def parts() -> list[Part]:
        made = []
        for number, sheet in enumerate(read_material(Run(paths.root), settings).sheets):
            if not is_drawn(sheet.name, paths.explore):
                withdraw(part_file(paths, EXPLORE, number))
            args: dict[str, Any] = {"name": sheet.name, "image_ids": [*sheet.image_ids]}
            args["class_name"] = sheet.class_name
            made.append(Part(number, fingerprint(_VERSION, sheet.name), args, len(sheet.rows)))
        return made

    shown = settings.explore_images, settings.seed, settings.masks
    return Plan(fingerprint(shown, *language_mark(audit)), parts, outputs=(paths.explore_html,))


def work(audit: Audit, parts: Sequence[Part], progress: Progress) -> Iterator[Finished]:
    """Draw the sheets that are not there yet."""
    from xai_audit.report.explore.build import draw_sheets
    from xai_audit.report.explore.sheets import Sheet
    from xai_audit.run.reader import Run

    run, mask_of = Run(audit.paths.root), masks_of(audit)
    for part in parts:
        name, ids, class_name = (part.args[key] for key in ("name", "image_ids", "class_name"))
        draw_sheets(run, [Sheet(name, (), tuple(ids), class_name)], mask_of, audit.opener)
        progress(part.size)
        yield Finished(part, pa.table({"sheet": [name]}))


def merge(audit: Audit, parts: list[Part]) -> dict[str, Any]:
    """Write the page and its data, then delete the sheets that it does not show."""
    from xai_audit.report.catalogue import language
    from xai_audit.report.explore.build import read_material, write_explore
    from xai_audit.run.reader import Run

    del parts
    run = Run(audit.paths.root)
    with speaking(language(audit.settings.report.language)):
        write_explore(run, read_material(run, settings_of(audit)))
    return {}


EXPLORE = Stage(
    "explore", "report", _VERSION, "explore", plan, merge, work, needs=("flag",),
    reads=("verdict",),
)  # fmt: skip
