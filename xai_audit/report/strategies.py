"""The strategies that discovery found in each class's heatmaps, as the page shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from xai_audit.report.gallery import class_folder
from xai_audit.report.heat import paint
from xai_audit.run.cue_words import REGION_WORDS
from xai_audit.run.score_rows import collect
from xai_audit.schema import CLUSTERS
from xai_audit.vision.geometry import Geometry

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.report.facts import RunFacts
    from xai_audit.run.paths import RunPaths

# Side of a drawn mean map, px.
_SIDE = 168
_GREY = (128, 128, 128)
_OUTLINE = ((20, 20, 20), 4), ((250, 250, 250), 2)
# Photos named under a strategy.
_NAMED = 3

_TOLD = [
    *("class_name", "cluster", "cue", "method", "kind", "n_images", "share", "stability"),
    *("mean_map", "region", "height", "width", "image_ids"),
]


def strategies(paths: RunPaths, facts: RunFacts, *, folder: Path) -> list[dict[str, Any]]:
    """Each class with its strategies, classes in the model's order; [] where none were looked for.

    A class is ``class_name`` and ``strategies``; a strategy the values of ``schema.CLUSTERS`` that
    the page tells, ``words`` for its kind, ``typical`` image ids and ``file``, its mean map drawn
    as a PNG of ``size`` px, relative to ``folder``.

    Args:
        paths: of the run.
        facts: of the run.
        folder: the gallery's, as it is being made.

    Raises:
        OutputError: ``paths.clusters`` cannot be read.
    """
    if not paths.clusters.exists():
        return []
    frame = collect([paths.clusters], CLUSTERS, _TOLD)
    place = {name: i for i, name in enumerate(facts.classes.values())}
    several = frame["method"].nunique() > 1
    classes: dict[str, list[dict[str, Any]]] = {}
    for values in frame.itertuples(index=False):
        row = dict(zip(_TOLD, values, strict=True))
        home = folder / class_folder(row["class_name"])
        file = home / f"strategy-{row['cluster']}.png"
        if not row["cluster"]:
            file = file.with_stem(f"strategy-0-{row['method']}")
        home.mkdir(parents=True, exist_ok=True)
        _drawn(row).save(file)
        told = _told(row, several=several) | {"file": file.relative_to(folder).as_posix()}
        classes.setdefault(row["class_name"], []).append(told)
    order = sorted(classes, key=lambda name: (place.get(name, len(place)), name))
    return [{"class_name": name, "strategies": classes[name]} for name in order]


def _told(row: dict[str, Any], *, several: bool) -> dict[str, Any]:
    """One strategy in the page's words."""
    return {
        "cluster": int(row["cluster"]),
        "cue": row["cue"] if isinstance(row["cue"], str) else None,
        "method": row["method"] if several else None,
        "kind": row["kind"],
        "words": _words(row),
        "n_images": int(row["n_images"]),
        "share": float(row["share"]),
        "stability": float(row["stability"]),
        "typical": [str(image_id) for image_id in row["image_ids"][:_NAMED]],
        "size": _SIDE,
    }


def _words(row: dict[str, Any]) -> str:
    """Where a strategy looks, in few words."""
    if not row["cluster"]:
        return "like no other photos"
    if row["kind"] == "mixed":
        return "no single region"
    return f"the {REGION_WORDS[row['kind']]}"


def _drawn(row: dict[str, Any]) -> Image.Image:
    """The mean map over mid-grey, as heatmaps lie over photos, with its region's outline."""
    shape = int(row["height"]), int(row["width"])
    mean = np.asarray(row["mean_map"], np.float32).reshape(shape)
    square = (_SIDE, _SIDE)
    whole = Geometry(photo=square, resized=square, top=0, left=0, crop=square)
    image = paint(Image.new("RGB", square, _GREY), mean, whole)
    _outline(image, np.asarray(row["region"]).reshape(shape) > 0)
    return image


def _outline(image: Image.Image, region: NDArray[np.bool_]) -> None:
    """Draw the edge of ``region`` (h, w): dark beneath light, to be seen on any colour."""
    padded = np.pad(region, 1)
    rows = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    columns = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    step = np.array([_SIDE / region.shape[1], _SIDE / region.shape[0]])
    edges = [((x, y), (x + 1, y)) for y, x in rows] + [((x, y), (x, y + 1)) for y, x in columns]
    pen = ImageDraw.Draw(image)
    for colour, width in _OUTLINE:
        for ends in edges:
            pen.line([tuple(np.clip(end * step, 1, _SIDE - 2)) for end in ends], colour, width)
