"""The classes that the model confuses: what separates them, and the photos between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_audit.language import say
from xai_audit.report.gallery import overlay_picture
from xai_audit.report.material import gather
from xai_audit.report.overlay import Look
from xai_audit.report.picture import Cells, MeanMap, Shown, class_folder, map_picture
from xai_audit.report.words import caption_of
from xai_audit.run.files import rows_of
from xai_audit.run.verdicts import cue_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xai_audit.report.facts import RunFacts
    from xai_audit.report.picture import Picture, ReportSettings
    from xai_audit.run.reader import Run

_KIND = "contrast"


@dataclass(frozen=True)
class Direction:
    """The photos of one class next to another.

    Attributes:
        rows: of ``schema.BOUNDARIES``, one a method, each with ``words`` for its region.
        because: the first method's reason.
        mean_map: the first method's mean map, None without one.
        shown: the photos nearest to the boundary, nearest first.
    """

    rows: tuple[dict[str, Any], ...]
    because: str
    mean_map: Picture | None
    shown: tuple[Shown, ...]

    @property
    def names(self) -> tuple[str, str]:
        """Class and other class."""
        return self.rows[0]["class_name"], self.rows[0]["other_class"]


@dataclass(frozen=True)
class Confused:
    """Two classes that the model confuses.

    Attributes:
        directions: both ways.
        count: photos of either that are predicted as the other.
        margin: of the photo nearest to the boundary, in size; None without a photo.
    """

    directions: tuple[Direction, ...]
    count: int
    margin: float | None


def confused(run: Run, facts: RunFacts, *, settings: ReportSettings, folder: str) -> list[Confused]:
    """The pairs, most confused first; [] where no margin was explained.

    Args:
        run: with its tables.
        facts: of the run.
        settings: of the report.
        folder: of the galleries, relative to the report's.

    Raises:
        OutputError: a table of the run cannot be read.
    """
    rows = rows_of(run.boundaries) if run.has("boundaries") else []
    if not rows:
        return []
    order = facts.methods_first([row["method"] for row in rows])
    rows.sort(key=lambda row: order.index(row["method"]))  # stable: pairs and directions stay
    shown = _shown_by(run, rows, order[0], facts, settings=settings, folder=folder)
    pairs: dict[int, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for row in rows:
        key = row["class_name"], row["other_class"]
        named = row | {"words": row["region"] and cue_words(row["region"])}
        pairs.setdefault(row["pair"], {}).setdefault(key, []).append(named)
    found = []
    for number, ways in sorted(pairs.items()):
        directions = tuple(
            _direction(by_method, shown, f"boundary-{number}-{way}", folder)
            for way, by_method in enumerate(ways.values(), 1)
        )
        margins = [abs(margin) for way in directions for margin in way.rows[0]["margins"]]
        count = sum(way.rows[0]["n_confused"] for way in directions)
        found.append(Confused(directions, count, min(margins, default=None)))
    return found


def _shown_by(
    run: Run,
    rows: Sequence[dict[str, Any]],
    method: str,
    facts: RunFacts,
    *,
    settings: ReportSettings,
    folder: str,
) -> Callable[[dict[str, Any]], tuple[Shown, ...]]:
    """A row of ``method`` -> its photos under the heatmaps of that method."""
    named = {image_id for row in rows if row["method"] == method for image_id in row["image_ids"]}
    keys = {(image_id, method) for image_id in named}
    material = gather(run, keys, {method: _KIND}, root=facts.dataset_root)
    look = Look(facts.preprocess, facts.border, settings.tile)

    def shown(row: dict[str, Any]) -> tuple[Shown, ...]:
        found = []
        for image_id, margin in zip(row["image_ids"], row["margins"], strict=True):
            key = image_id, method
            if key in material.scores:
                caption = caption_of(material.scores[key], (), facts=facts, method=None)
                picture = overlay_picture(material, key, look, masks=settings.masks, folder=folder)
                line = say("margin {number}", number=f"{margin:+.2f}")
                found.append(Shown(picture, image_id, caption.headline, caption.right, (line,)))
        return tuple(found)

    return shown


def _direction(
    rows: Sequence[dict[str, Any]],
    shown: Callable[[dict[str, Any]], tuple[Shown, ...]],
    name: str,
    folder: str,
) -> Direction:
    """One direction; its mean map is called ``name``."""
    row, mean_map = rows[0], None
    if row["mean_map"] is not None:
        home = f"{folder}/{class_folder(row['class_name'])}"
        motif = MeanMap(Cells.of(row["mean_map"], row["height"], row["width"]))
        mean_map = map_picture(home, motif, class_name=row["class_name"], name=name)
    return Direction(tuple(rows), row["because"], mean_map, shown(row))
