"""The tables' rows for some pictures: scores, flags, heatmaps and photo files."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.dataset as ds

from xai_audit.report.picture import Overlay, Photo, digest
from xai_audit.run.verdicts import of_kinds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.report.gallery import Key
    from xai_audit.report.overlay import Look
    from xai_audit.run.reader import Run

SHOWN_REGIONS = ("object", "background", "border")

_HEATMAP = ["image_id", "method", "heatmap", "heatmap_height", "heatmap_width"]
_SCORE = [
    *("image_id", "method", "class_name", "label", "pred", "confidence"),
    *(f"mass_{region}" for region in SHOWN_REGIONS),
]
_FLAG = ["image_id", "method", "reason", "value", "class_median", "distance"]
_PHOTO = ["image_id", "class_name", "raw_path", "width", "height", "file_bytes", "mtime_ns"]


@dataclass(frozen=True)
class Material:
    """The data of some pictures, by picture or by image.

    Attributes:
        kinds: method -> target kind of the heatmaps.
        heatmaps: a hash of each heatmap; absent where there is none.
        scores: the row of the score table.
        flags: the rows of the flag table, by image: a mistake concerns every method.
        photos: by image.
    """

    kinds: Mapping[str, str]
    heatmaps: Mapping[Key, str]
    scores: Mapping[Key, dict[str, Any]]
    flags: Mapping[str, list[dict[str, Any]]]
    photos: Mapping[str, Photo]

    def overlay(self, key: Key, look: Look, *, masks: str, heat: bool = True) -> Overlay:
        """The photo of ``key``, with the object's outline, under its heatmap or without one."""
        image_id, method = key
        photo = self.photos[image_id]
        if not heat:
            return Overlay(photo, look, masks=masks)
        kind, heatmap = self.kinds[method], self.heatmaps.get(key)
        return Overlay(photo, look, method=method, kind=kind, heatmap=heatmap, masks=masks)


def gather(
    run: Run,
    keys: Collection[Key],
    kinds: dict[str, str],
    *,
    root: Path | None,
    class_name: str | None = None,
) -> Material:
    """The data of the pictures ``keys``; of the heatmaps only their hashes stay in memory.

    Args:
        run: with its tables.
        keys: image and method of each picture.
        kinds: method -> target kind.
        root: of the dataset, None where unknown.
        class_name: of photos with several labels, the class whose rows are meant; they are of that
            class here.
    """
    theirs = {image_id for image_id, _ in keys}
    scores = dict(_rows(run, "scores", _SCORE, theirs, _about(kinds, class_name)))
    flags: dict[str, list[dict[str, Any]]] = {}
    own = None if class_name is None else ds.field("class_name") == class_name
    for (image_id, _), row in _rows(run, "flags", _FLAG, theirs, own) if run.has("flags") else ():
        flags.setdefault(image_id, []).append(row)
    heatmaps = {
        key: digest(heatmap.shape, heatmap.tobytes())
        for key, heatmap in read_heatmaps(run, keys, kinds, class_name=class_name)
    }
    files = photos(run, theirs, root)
    if class_name is not None:
        files = {one: replace(photo, class_name=class_name) for one, photo in files.items()}
    return Material(kinds, heatmaps, scores, flags, files)


def _about(kinds: dict[str, str], class_name: str | None) -> ds.Expression:
    """The rows to show: of these kinds, or the only one of a photo for one of several labels."""
    return of_kinds(kinds) if class_name is None else ds.field("class_name") == class_name


def read_heatmaps(
    run: Run, keys: Collection[Key], kinds: dict[str, str], *, class_name: str | None = None
) -> Iterator[tuple[Key, NDArray[np.float32]]]:
    """(key, relevance (h, w) up to a factor) of those of ``keys`` that have a heatmap.

    ``class_name`` is that of :func:`gather`.
    """
    theirs = {image_id for image_id, _ in keys}
    for key, row in _rows(run, "attributions", _HEATMAP, theirs, _about(kinds, class_name)):
        if key in keys and row["heatmap"] is not None:
            shape = int(row["heatmap_height"]), int(row["heatmap_width"])
            yield key, np.asarray(row["heatmap"], np.float32).reshape(shape)


def photos(run: Run, image_ids: Iterable[str], root: Path | None) -> dict[str, Photo]:
    """Image -> its photo, the file spelled as the file system spells it.

    One that the manifest lacks has no file.
    """
    unknown = {image_id: Photo(image_id, "", 0, 0, (0, 0)) for image_id in image_ids}
    return unknown | {
        row["image_id"]: Photo(
            image_id=row["image_id"],
            class_name=row["class_name"] if isinstance(row["class_name"], str) else "",
            width=_whole(row["width"]),
            height=_whole(row["height"]),
            stamp=(_whole(row["file_bytes"]), _whole(row["mtime_ns"])),
            path=None if root is None else root / _relative(row),
        )
        for frame in run.scan("manifest", _PHOTO, ids=unknown)
        for row in (dict(zip(_PHOTO, v, strict=True)) for v in frame.itertuples(index=False))
    }


def _relative(row: Mapping[str, Any]) -> str:
    return os.fsdecode(row["raw_path"]) if row["raw_path"] else str(row["image_id"])


def _whole(value: float | None) -> int:
    """A number of the manifest; 0 where it is null."""
    return 0 if value is None or value != value else int(value)


def _rows(
    run: Run,
    table: str,
    columns: Sequence[str],
    ids: Collection[str],
    where: ds.Expression | None = None,
) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The rows of images ``ids`` with the picture that each belongs to."""
    for frame in run.scan(table, columns, where, ids=ids):
        for values in frame.itertuples(index=False):
            row = dict(zip(columns, values, strict=True))
            yield (row["image_id"], row["method"]), row
