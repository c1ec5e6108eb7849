"""The page of a comparison, with the report's own frame, and what a notebook shows of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from xai_audit.compare.answer import MEASURE_WORDS, cells, facts, lead, points, some_made
from xai_audit.compare.measures import CORE, SIMILARITY
from xai_audit.compare.words import NO_CHANGE, UNCLEAR, signed
from xai_audit.language import mark, said, say, speaking
from xai_audit.report.catalogue import in_language_of, language
from xai_audit.report.heat import css_gradient
from xai_audit.report.templating import environment
from xai_audit.run.files import rows_of, write_text
from xai_audit.run.verdicts import CONFIRMED, cue_words, marked

if TYPE_CHECKING:
    from pathlib import Path

    from xai_audit.compare.comparison import Comparison

# Rows of a table that the page shows; all are in the Parquet files beside it.
_MOST, _PHOTOS, _SHORT = 200, 60, 8
_MEASURES = {
    **MEASURE_WORDS,
    "mass_object": mark("relevance on the object"),
    "mass_background": mark("relevance on the background"),
    "mass_border": mark("relevance on the border"),
    SIMILARITY: mark("rank correlation of heatmaps"),
}
_BY_MASKS = (CORE, "mass_object", "mass_background")


def write_page(comparison: Comparison, page: Path, name: str | None = None) -> Path:
    """Write ``page`` and return it.

    Args:
        comparison: what it is of.
        page: its file.
        name: a language of ``report.language``; None: that of the reference's report.
    """
    first = comparison.sides[0].run
    with in_language_of(first) if name is None else speaking(language(name)):
        return _write(comparison, page)


def _write(comparison: Comparison, page: Path) -> Path:
    html = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            title=say("Comparison"),
            reference=comparison.names[0],
            links=[(side.name, _link(side.run.root, page.parent)) for side in comparison.sides],
            parts=[_part(comparison, name) for name in comparison.names[1:]],
            noise=comparison.noise,
            several=comparison.sides[0].several_labels,
            measures=_measures(comparison),
            signed=signed,
            points=points,
            gradient=css_gradient(),
        )
    )
    write_text(page, html)
    return page


def _measures(comparison: Comparison) -> dict[str, str]:
    """Measure -> its heading, marked where it rests on masks that a network made."""
    made = some_made(comparison, *comparison.names)
    return {
        measure: marked(said(words), made and measure in _BY_MASKS)
        for measure, words in _MEASURES.items()
    }


def answer_html(comparison: Comparison) -> str:
    """The answer with the cells that changed, for a notebook."""
    template = environment().get_template("comparison_answer.html.j2")
    parts = [_part(comparison, name) for name in comparison.names[1:]]
    return template.render(reference=comparison.names[0], parts=parts, short=_SHORT)


def _part(comparison: Comparison, name: str) -> dict[str, Any]:
    """What is said of one run against the reference."""
    common = comparison.common[comparison.names[1:].index(name)]
    rows = [row | {"words": cue_words(row["cue"])} for row in cells(comparison, name)]
    both = [row for row in rows if row["verdict"] and row["verdict_reference"]]
    told = [
        row
        for row in rows
        if row["word"] not in (UNCLEAR, NO_CHANGE)
        or CONFIRMED in (row["verdict"], row["verdict_reference"])
    ]
    rest = {word: [r for r in both if r["word"] == word and r not in told] for word in _REST}
    other = comparison.disagreements
    photos = rows_of(other[other["run"] == name].head(_PHOTOS))
    return {
        "name": name,
        "lead": lead(comparison, name),
        "facts": [*facts(comparison, name, common)],
        "told": _cut(told),
        "rest": {word: _cut(found) for word, found in rest.items() if found},
        "alone": len(rows) - len(both),
        "classes": _classes(comparison, name),
        "photos": {"rows": photos, "count": int((other["run"] == name).sum())},
    }


_REST = (UNCLEAR, NO_CHANGE)


def _cut(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"rows": rows[:_MOST], "count": len(rows)}


def _classes(comparison: Comparison, name: str) -> dict[str, Any]:
    """The rows of measures by class, that of all photos first; of several methods the first."""
    table = comparison.measures
    rows = rows_of(table[(table["run"] == name) & table["measure"].isin([*_MEASURES])])
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row["class_name"], {}).setdefault(row["measure"], row)
    known = [measure for measure in _MEASURES if any(measure in one for one in found.values())]
    methods = {row["method"] for row in rows if row["method"]}
    shown = [*found.items()][: _MOST + 1]
    return {"known": known, "rows": shown, "count": max(len(found) - 1, 0), "methods": len(methods)}


def _link(folder: Path, home: Path) -> str | None:
    """The report of the audit in ``folder`` as seen from ``home``, None where there is none."""
    index = folder / "report" / "index.html"
    return quote(os.path.relpath(index, home)) if index.is_file() else None
