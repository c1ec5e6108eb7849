"""The strategies that discovery found in each class's heatmaps, as the page shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xai_audit.report.picture import Cells, MeanMap, class_folder, map_picture
from xai_audit.run.cue_words import REGION_WORDS
from xai_audit.run.scan import rows_of

if TYPE_CHECKING:
    from xai_audit.report.facts import RunFacts
    from xai_audit.run.reader import Run

# Photos named under a strategy.
_NAMED = 3


def strategies(run: Run, facts: RunFacts, *, folder: str) -> list[dict[str, Any]]:
    """Each class with its strategies, classes in the model's order; [] where none were looked for.

    A class is ``class_name`` and ``strategies``; a strategy the values of ``schema.CLUSTERS`` that
    the page shows, ``words`` for its kind, ``typical`` image ids and ``picture``, its mean map.

    Args:
        run: with its tables.
        facts: of the run.
        folder: of the galleries, relative to the report's.

    Raises:
        OutputError: the table is broken.
    """
    if not run.has("clusters"):
        return []
    several = run.clusters["method"].nunique() > 1
    classes: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(run.clusters):
        home = f"{folder}/{class_folder(row['class_name'])}"
        classes.setdefault(row["class_name"], []).append(_strategy(row, home, several=several))
    order = facts.classes_first(classes)
    return [{"class_name": name, "strategies": classes[name]} for name in order]


def _strategy(row: dict[str, Any], folder: str, *, several: bool) -> dict[str, Any]:
    """One strategy as the page shows it."""
    grid = row["height"], row["width"]
    motif = MeanMap(Cells.of(row["mean_map"], *grid), Cells.of(row["region"], *grid))
    name = f"strategy-{row['cluster']}" if row["cluster"] else f"strategy-0-{row['method']}"
    return {
        "cluster": int(row["cluster"]),
        "cue": row["cue"],
        "method": row["method"] if several else None,
        "kind": row["kind"],
        "words": _words(row),
        "n_images": int(row["n_images"]),
        "share": float(row["share"]),
        "stability": float(row["stability"]),
        "typical": [str(image_id) for image_id in row["image_ids"][:_NAMED]],
        "picture": map_picture(folder, motif, class_name=row["class_name"], name=name),
    }


def _words(row: dict[str, Any]) -> str:
    """The place of a strategy's relevance, in few words."""
    if not row["cluster"]:
        return "like no other photos"
    if row["kind"] == "mixed":
        return "no single region"
    return f"the {REGION_WORDS[row['kind']]}"
