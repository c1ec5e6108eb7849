"""The report's page: what was audited, what is odd, and how the numbers are defined."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jinja2

from xai_audit.config.nodes import STAGES
from xai_audit.flags.outliers import MIN_IMAGES, REASONS
from xai_audit.report.adversarial import adversarial
from xai_audit.report.answers import two
from xai_audit.report.between import between
from xai_audit.report.heat import css_gradient
from xai_audit.report.numbers import fact, times, whole
from xai_audit.report.strategies import strategies
from xai_audit.report.tables import (
    CORNERS,
    border_never_seen,
    class_table,
    failures,
    flag_counts,
    score_problems,
)
from xai_audit.report.trust import trust
from xai_audit.report.words import TITLES, percent
from xai_audit.run.cue_words import REGION_WORDS
from xai_audit.run.files import write_text
from xai_audit.run.score_rows import kinds_of_run
from xai_audit.schema import OK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from xai_audit.report.facts import RunFacts
    from xai_audit.report.gallery import ClassGallery
    from xai_audit.report.settings import ReportSettings
    from xai_audit.report.verdicts import Answer
    from xai_audit.run.paths import RunPaths

# With more classes than this each has a page of its own, so that the first one stays light.
_INLINE_CLASSES = 40
# The folder of plots inside the report, and the forest plot in it.
PLOTS, FOREST = "plots", "effects.svg"
_COLUMNS = ("object", "background", "border", "corners")
_FACTS = (
    *("device", "seed", "batch_size", "images_per_second"),
    *("schema_version", "fingerprint", "dataset_root"),
)


def write_report(
    paths: RunPaths,
    galleries: Sequence[ClassGallery],
    *,
    answer: Answer | None,
    facts: RunFacts,
    settings: ReportSettings,
    folder: Path,
) -> None:
    """Write ``index.html`` into ``folder``, and a page a class where there are many.

    Args:
        paths: of the run.
        galleries: already in ``folder``.
        answer: of the evidence; its pictures are already in ``folder``.
        facts: of the run.
        settings: of the report.
        folder: becomes ``paths.report``.
    """
    environment = _environment()
    inline = len(galleries) <= _INLINE_CLASSES
    page = _page(paths, galleries, facts=facts, settings=settings)
    page |= {"inline": inline, "answer": answer, "plots": PLOTS, "forest": FOREST}
    if answer is not None and answer.plot is not None:
        drawn = environment.get_template("forest.svg.j2").render(plot=answer.plot)
        write_text(folder / PLOTS / FOREST, drawn)
    base = paths.gallery.relative_to(paths.report).as_posix()
    home = folder / base
    page["strategies"] = strategies(paths, facts, folder=home)
    page |= between(paths, facts, environment, settings=settings, folder=folder / PLOTS)
    page["trust"] = trust(paths, facts)
    page["adversarial"] = adversarial(paths, facts, folder=home, tile=settings.tile)
    index = folder / paths.index_html.name
    write_text(index, environment.get_template("index.html.j2").render(page, base=f"{base}/"))
    if not inline:
        template = environment.get_template("class.html.j2")
        for gallery in galleries:
            file = home / gallery.folder / index.name
            write_text(file, template.render(page, gallery=gallery, base="../"))


def _environment() -> jinja2.Environment:
    """Templates of this package; every value escaped, an absent one an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("xai_audit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "times": times, "whole": whole, "fact": fact}
    environment.filters |= {"two": two}
    return environment


def _page(
    paths: RunPaths,
    galleries: Sequence[ClassGallery],
    *,
    facts: RunFacts,
    settings: ReportSettings,
) -> dict[str, Any]:
    """Everything that the templates show."""
    kinds = kinds_of_run(paths)
    statuses, examples = failures(paths)
    flagged, by_reason = flag_counts(paths)
    methods = _methods(class_table(paths, kinds), kinds, facts, flagged)
    scored = methods[0]["all"]["n"] if methods else 0
    return {
        "title": _title(facts),
        "facts": facts,
        "methods": methods,
        "found": statuses.total(),
        "scored": scored,
        "unscored": max(0, statuses[OK] - scored),
        "left_out": statuses.pop("left out", 0),
        "failed": statuses.total() - statuses[OK],
        "statuses": {status: n for status, n in statuses.most_common() if status != OK},
        "examples": examples,
        "flagged": flagged,
        "by_reason": by_reason,
        "galleries": galleries,
        "folders": {gallery.class_name: gallery.folder for gallery in galleries},
        "problems": score_problems(paths, kinds),
        "unseen": _unseen(paths, facts),
        "untold": [s for s in STAGES[:-1] if not facts.is_finished(s)],
        "settings": settings,
        "words": {"titles": TITLES, "regions": REGION_WORDS, "reasons": REASONS},
        "min_images": MIN_IMAGES,
        "gradient": css_gradient(),
        "run": _run(facts),
    }


def _methods(
    table: pd.DataFrame, kinds: dict[str, str], facts: RunFacts, flagged: dict[str, int]
) -> list[dict[str, Any]]:
    """Per method its name, target kind, a row for all classes and a row a class."""
    place = {name: i for i, name in enumerate(facts.classes.values())}
    methods = []
    for method, kind in kinds.items():
        rows = {
            str(name): _row(str(name), values, flagged)
            for name, values in table.loc[method].iterrows()
        }
        everything = rows.pop("")
        everything["flagged"] = sum(flagged.values())
        order = sorted(rows, key=lambda name: (place.get(name, len(place)), name))
        shown = [c for c in _COLUMNS if everything["regions"][c]["mass"] is not None]
        methods.append(
            {
                "name": method,
                "kind": kind,
                "all": everything,
                "rows": [rows[name] for name in order],
                "columns": shown,
                "scale": {column: _widest(column, rows.values()) for column in shown},
                "hit": everything["hit"] is not None,
            }
        )
    return methods


def _widest(column: str, rows: Iterable[dict[str, Any]]) -> float:
    """What a bar of full length means in a column: its largest mass or area."""
    regions = [row["regions"][column] for row in rows]
    return max((region[what] or 0.0 for region in regions for what in ("mass", "area")), default=1)


def _row(name: str, row: pd.Series, flagged: dict[str, int]) -> dict[str, Any]:
    """One line of the class table; None where undefined."""
    values = {key: None if value != value else float(value) for key, value in row.items()}
    return {
        "class_name": name,
        "n": int(row["n"]),
        "accuracy": values["accuracy"],
        "hit": values["hit"],
        "regions": {
            region: {what: values[f"{what}_{region}"] for what in ("mass", "area", "lift")}
            for region in (*_COLUMNS, *CORNERS)
        },
        "flagged": flagged.get(name, 0),
    }


def _title(facts: RunFacts) -> str:
    """Dataset and model, as far as they are told."""
    config = facts.told.get("config")
    dataset = _name(config.get("dataset")) if isinstance(config, dict) else None
    if dataset is None and facts.dataset_root is not None:
        dataset = facts.dataset_root.name
    return " · ".join(part for part in (dataset, _name(facts.told.get("model"))) if part) or "Audit"


def _name(told: object) -> str | None:
    """What a dataset or model is called: by itself, or by the first telling key of its node."""
    if isinstance(told, dict):
        return next((str(told[key]) for key in ("name", "arch", "factory") if told.get(key)), None)
    return None if told is None else str(told)


def _unseen(paths: RunPaths, facts: RunFacts) -> float | None:
    """Mean share of the border band outside the model's view, None where it cannot be told."""
    if not facts.border:
        return None
    share = border_never_seen(paths, facts.preprocess, facts.border)
    return None if share != share else share


def _run(facts: RunFacts) -> dict[str, Any]:
    """The run's facts in the order shown; whatever run.json does not tell is left out."""
    told = facts.told
    rest = {key: told.get(key) for key in ("model", "preprocess", "regions", "counts")}
    return {
        "facts": {key.replace("_", " "): told[key] for key in _FACTS if told.get(key) is not None},
        "timings": told.get("timings") or {},
        "versions": told.get("versions") or {},
        "json": {
            key: json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)
            for key, value in {"config": told.get("config"), **rest}.items()
            if value
        },
    }
