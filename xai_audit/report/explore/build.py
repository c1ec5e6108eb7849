"""The explore page and its data, written from the tables and the sheets that have been drawn."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from xai_audit.flags.outliers import REASONS
from xai_audit.language import ENGLISH, mark, said, say, spoken
from xai_audit.report.explore.beside import read_beside
from xai_audit.report.explore.chosen import chosen
from xai_audit.report.explore.listed import MEASURED, read_listed
from xai_audit.report.explore.sheets import (
    MASK,
    SIDE,
    TILE,
    Source,
    draw_sheet,
    files_of,
    is_drawn,
    plan_sheets,
    tile_size,
)
from xai_audit.report.explore.slices import SLICE, carried, columns, packed, script, slices
from xai_audit.report.facts import read_facts
from xai_audit.report.heat import css_gradient, palette
from xai_audit.report.material import photos
from xai_audit.report.page import title_of, write_if_new
from xai_audit.report.picture import digest
from xai_audit.report.templating import environment
from xai_audit.report.words import titles
from xai_audit.run.verdicts import cue_words, kinds_of_run
from xai_audit.schema import REGIONS, VERDICTS
from xai_audit.store.home import withdraw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xai_audit.report.draw import MaskOf
    from xai_audit.report.explore.beside import Beside
    from xai_audit.report.explore.listed import Listed
    from xai_audit.report.explore.sheets import Sheet
    from xai_audit.report.facts import RunFacts
    from xai_audit.report.picture import ReportSettings
    from xai_audit.run.reader import Run
    from xai_audit.vision.opening import Opener

# What the page's script says: say("...").
_SAID = re.compile(r'\bsay\("((?:[^"\\]|\\.)*)"')
_WORDS = {
    "rank_accuracy": mark("rank accuracy"),
    "pointing_hit": mark("pointing hit"),
    "entropy": mark("entropy"),
    "relevance_total": mark("relevance in all"),
    "confidence": mark("confidence"),
    "mass": mark("mass"),
    "lift": mark("lift"),
}


@dataclass(frozen=True)
class Material:
    """What the page is made of.

    Attributes:
        facts: of the run.
        kinds: method -> target kind that is drawn and sorted by.
        listed: the photos.
        beside: what other tables say of them.
        sheets: of the pictures.
    """

    facts: RunFacts
    kinds: dict[str, str]
    listed: Listed
    beside: Beside
    sheets: list[Sheet]


def read_material(run: Run, settings: ReportSettings) -> Material:
    """What the page of ``run`` is made of; tables are read, and no photo is.

    Raises:
        OutputError: a table of the run is missing or broken.
    """
    facts, kinds = _facts_and_kinds(run)
    listed, beside = read_listed(run, facts), read_beside(run)
    rows = chosen(listed, beside, most=settings.explore_images, seed=settings.seed)
    shown = [(row, str(listed.images[row]), listed.class_if_several(row)) for row in rows]
    sheets = plan_sheets(run, shown, kinds, facts=facts, masks=settings.masks)
    return Material(facts, kinds, listed, beside, sheets)


def draw_sheets(
    run: Run, sheets: Iterable[Sheet], mask_of: MaskOf, opener: Opener | None = None
) -> None:
    """Draw those of ``sheets`` that are not there yet; only their photos' rows are read."""
    folder, (facts, kinds) = run.paths.explore, _facts_and_kinds(run)
    new = [sheet for sheet in sheets if not is_drawn(sheet.name, folder)]
    ids = {image_id for sheet in new for image_id in sheet.image_ids}
    found = photos(run, ids, facts.dataset_root) if ids else {}
    source = Source(kinds, facts.preprocess, mask_of, opener)
    for sheet in new:
        draw_sheet(run, sheet, found, source, folder)


def _facts_and_kinds(run: Run) -> tuple[RunFacts, dict[str, str]]:
    """The facts, and method -> target kind that is drawn, in the order of the methods."""
    facts, every = read_facts(run), kinds_of_run(run)
    return facts, {method: every[method] for method in facts.methods_first(every)}


def write_explore(run: Run, material: Material) -> None:
    """Write ``explore.html`` and the data in ``explore/``, delete what no longer belongs there.

    A sheet that has not been drawn is left out.
    """
    folder, listed, beside = run.paths.explore, material.listed, material.beside
    sheets = [sheet for sheet in material.sheets if is_drawn(sheet.name, folder)]
    kept = {file.name for sheet in sheets for file in files_of(sheet.name, folder)}

    def write(name: str, value: object) -> str:
        """Put a file of data into the folder; a hash of its content."""
        text = script(name, value)
        write_if_new(folder / f"{name}.js", text)
        kept.add(f"{name}.js")
        return digest(text)

    found = columns(listed, beside, material.kinds)
    marks = [
        write(f"column-{number}", packed(values)) for number, values in enumerate(found.values())
    ]
    for number, part in enumerate(slices(listed, beside)):
        marks.append(write(f"rows-{number:05d}", part))
    marks.append(write("ids", [*listed.ids]))
    marks.append(write("carriers", carried(listed, beside)))
    index = {
        **_index(material, sheets),
        "columns": {name: [n, values.dtype.name] for n, (name, values) in enumerate(found.items())},
        "mark": digest(marks),
    }
    write("index", index)
    _write_page(run, material)
    for file in folder.iterdir():
        if file.name not in kept:
            withdraw(file)


def _index(material: Material, sheets: list[Sheet]) -> dict[str, Any]:
    """What the page knows before it reads a column or a row."""
    listed, cells = material.listed, material.beside.cells
    place = {name: number for number, name in enumerate(listed.names[: listed.n_classes])}
    verdicts: dict[str, list[str]] = {}
    for name, cue, verdict in cells.itertuples(index=False, name=None):
        if cue not in verdicts:
            verdicts[cue] = ["."] * listed.n_classes
        if name in place:
            verdicts[cue][place[name]] = str(VERDICTS.index(verdict))
    cues = {*verdicts, *material.beside.carriers["cue"], *material.beside.pairs["cue"]}
    width, height = tile_size(material.facts.preprocess, TILE)
    return {
        "count": len(listed.ids),
        "what": "decisions" if listed.several_labels else "photos",
        "names": listed.names,
        "classes": listed.n_classes,
        "first": [str(listed.ids[row]) for row in range(0, len(listed.ids), SLICE)],
        "slice": SLICE,
        "sets": listed.sets,
        "kinds": material.kinds,
        "measured": {name: score_words(name) for name in (*MEASURED, "confidence")},
        "verdicts": VERDICTS,
        "cells": {cue: "".join(codes) for cue, codes in verdicts.items()},
        "cues": {cue: cue_words(cue) for cue in sorted(cues)},
        "reasons": [[reason, titles()[reason][0]] for reason in REASONS],
        "sheets": [[sheet.name, [*sheet.rows]] for sheet in sheets],
        "tile": [width, height, SIDE],
        "mask": tile_size(material.facts.preprocess, MASK),
        "colours": packed(palette()[0]),
    }


def script_keys(code: str) -> list[str]:
    """The English sentences that the page's script says."""
    return [str(json.loads(f'"{text}"')) for text in _SAID.findall(code)]


def _script_words(code: str) -> Markup:
    """English -> the words, as JSON for the script; empty where it is English that is spoken."""
    if spoken() == ENGLISH:
        return Markup("")
    words = {key: said(key) for key in [*script_keys(code), *VERDICTS]}
    return Markup(json.dumps(words).replace("<", "\\u003c"))  # noqa: S704 - in a script


def score_words(name: str) -> str:
    """A column of the score table in plain words."""
    kind, _, region = name.partition("_")
    if region in REGIONS:
        return f"{said(kind)}{say(', ')}{cue_words(region)}"
    return said(_WORDS.get(name, name.replace("_", " ")))


def _write_page(run: Run, material: Material) -> None:
    source = resources.files("xai_audit.report") / "templates"
    code = (source / "explore.js").read_text(encoding="utf-8")
    page = environment().get_template("explore.html.j2").render(
        title=title_of(run, material.facts),
        made=material.facts.masks_made,
        count=len(material.listed.ids),
        several=material.listed.several_labels,
        pictures=sum(len(sheet.rows) for sheet in material.sheets),
        gradient=css_gradient(),
        code=Markup(code),  # noqa: S704 - our own
        words=_script_words(code),
    )  # fmt: skip
    write_if_new(run.paths.explore_html, page)
