"""The classes that the model confuses: what sets them apart, and the photos between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from xai_audit.report.answers import read_rows
from xai_audit.report.heat import paint
from xai_audit.report.material import gather
from xai_audit.report.overlay import Look
from xai_audit.report.sheet import Thumbnail, cell_side
from xai_audit.report.strip import Strip, picture, saved
from xai_audit.report.words import caption_of
from xai_audit.run.cue_words import REGION_WORDS
from xai_audit.schema import BOUNDARIES
from xai_audit.vision.geometry import Geometry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xai_audit.report.facts import RunFacts
    from xai_audit.report.material import Material
    from xai_audit.report.settings import ReportSettings
    from xai_audit.run.paths import RunPaths

_KIND = "contrast"
# Side of a drawn mean map, px.
_SIDE = 168
_GREY = (128, 128, 128)


@dataclass(frozen=True)
class Direction:
    """The photos of one class next to another.

    Attributes:
        rows: of ``schema.BOUNDARIES``, one a method, each with ``words`` for its region.
        because: what the first method tells.
        mean_map: file of its mean map among the plots, None without one.
        size: of the mean map, px.
        strip: its photos nearest to the boundary, None where there are none.
    """

    rows: tuple[dict[str, Any], ...]
    because: str
    mean_map: str | None
    size: int
    strip: Strip | None

    @property
    def names(self) -> tuple[str, str]:
        """Class and other class."""
        return self.rows[0]["class_name"], self.rows[0]["other_class"]


@dataclass(frozen=True)
class Confused:
    """Two classes that the model confuses.

    Attributes:
        directions: both ways.
        count: photos of either that are taken for the other.
        margin: of the photo nearest to the boundary, in size; None without a photo.
    """

    directions: tuple[Direction, ...]
    count: int
    margin: float | None


def confused(
    paths: RunPaths, facts: RunFacts, *, settings: ReportSettings, folder: Path
) -> list[Confused]:
    """The pairs, most confused first; [] where no margin was explained.

    Args:
        paths: of the run.
        facts: of the run.
        settings: of the report.
        folder: of the plots.

    Raises:
        OutputError: a table of the run cannot be read.
    """
    if not facts.is_finished("boundary"):
        return []
    rows = read_rows(paths.boundaries, BOUNDARIES)
    if not rows:
        return []
    order = facts.methods_first([row["method"] for row in rows])
    rows.sort(key=lambda row: order.index(row["method"]))  # stable: pairs and directions stay
    first = order[0]
    named = {image_id for row in rows if row["method"] == first for image_id in row["image_ids"]}
    material = gather(
        paths, {(image_id, first) for image_id in named}, {first: _KIND}, root=facts.dataset_root
    )
    look = Look(facts.preprocess, facts.border, settings.tile)
    directions: dict[int, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for row in rows:
        key = row["class_name"], row["other_class"]
        told = row | {"words": REGION_WORDS.get(row["region"])}
        directions.setdefault(row["pair"], {}).setdefault(key, []).append(told)
    found = []
    for pair, ways in sorted(directions.items()):
        drawn = tuple(
            _direction(by_method, material, look, facts, stem=folder / f"boundary-{pair}-{way}")
            for way, by_method in enumerate(ways.values(), 1)
        )
        margins = [abs(margin) for way in drawn for margin in way.rows[0]["margins"]]
        count = sum(way.rows[0]["n_confused"] for way in drawn)
        found.append(Confused(drawn, count, min(margins, default=None)))
    return found


def _direction(
    rows: Sequence[dict[str, Any]], material: Material, look: Look, facts: RunFacts, *, stem: Path
) -> Direction:
    """One direction, its pictures saved beside ``stem``."""
    row, mean_map = rows[0], None
    if row["mean_map"] is not None:
        mean_map = f"{stem.name}.png"
        _drawn(row).save(stem.with_name(mean_map))
    strip = _strip(row, material, look, facts, file=stem.with_name(f"{stem.name}.jpg"))
    return Direction(tuple(rows), row["because"], mean_map, _SIDE, strip)


def _strip(
    row: dict[str, Any], material: Material, look: Look, facts: RunFacts, *, file: Path
) -> Strip | None:
    """The photos nearest to the boundary, nearest first."""
    cells, words = [], []
    for image_id, margin in zip(row["image_ids"], row["margins"], strict=True):
        key = image_id, row["method"]
        if key in material.scores:
            caption = caption_of(material.scores[key], (), facts=facts, method=None)
            told = f"margin {margin:+.2f}"
            cells.append(Thumbnail(picture(key, material, look), caption, told))
            words.append(f"{image_id}, {caption.headline}, {told}")
    if not cells:
        return None
    title = f"{row['class_name']}, nearest to {row['other_class']}"
    return saved(cells, file, side=cell_side(look.tile), title=title, words=words)


def _drawn(row: dict[str, Any]) -> Image.Image:
    """The mean map over mid-grey, as heatmaps lie over photos."""
    mean = np.asarray(row["mean_map"], np.float32).reshape(int(row["height"]), int(row["width"]))
    square = (_SIDE, _SIDE)
    whole = Geometry(photo=square, resized=square, top=0, left=0, crop=square)
    return paint(Image.new("RGB", square, _GREY), mean, whole)
