"""What is known of the pictures to draw, read for a handful of classes at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from xai_audit.run.paths import RunPaths
from xai_audit.run.scan import scan
from xai_audit.run.score_rows import of_kinds
from xai_audit.schema import ATTRIBUTIONS, FLAGS, MANIFEST, SCORES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from xai_audit.report.picks import Key

SHOWN_REGIONS = ("object", "background", "border")

_HEATMAP = ["image_id", "method", "heatmap", "heatmap_height", "heatmap_width"]
_SCORE = [
    *("image_id", "method", "class_name", "label", "pred", "confidence"),
    *(f"mass_{region}" for region in SHOWN_REGIONS),
]
_FLAG = ["image_id", "method", "reason", "value", "class_median", "distance"]


@dataclass(frozen=True)
class Material:
    """Everything that some pictures show, by picture or by image.

    Attributes:
        heatmaps: relevance (h, w), up to a factor.
        scores: the row of the score table.
        flags: the rows of the flag table, by image: a mistake concerns every method.
        files: where the photo is, by image; empty where the dataset's root is unknown.
    """

    heatmaps: Mapping[Key, NDArray[np.float32]]
    scores: Mapping[Key, dict[str, Any]]
    flags: Mapping[str, list[dict[str, Any]]]
    files: Mapping[str, Path]


def gather(
    paths: RunPaths, keys: Collection[Key], kinds: dict[str, str], *, root: Path | None
) -> Material:
    """What the pictures ``keys`` need; heatmaps of other images never pile up in memory."""
    # Typed, for of none Arrow could not tell what they are.
    ids = pa.array(sorted({image_id for image_id, _ in keys}), pa.string())
    theirs = ds.field("image_id").isin(ids)
    wanted = of_kinds(kinds) & theirs
    heatmaps = {
        key: heatmap
        for key, row in _rows(RunPaths.parts(paths.attributions), ATTRIBUTIONS, _HEATMAP, wanted)
        if key in keys and (heatmap := _heatmap(row)) is not None
    }
    scores = dict(_rows(RunPaths.parts(paths.scores), SCORES, _SCORE, wanted))
    flags: dict[str, list[dict[str, Any]]] = {}
    for (image_id, _), row in _rows([paths.flags], FLAGS, _FLAG, theirs):
        flags.setdefault(image_id, []).append(row)
    return Material(heatmaps, scores, flags, photo_files(paths, theirs, root))


def _rows(
    files: Sequence[Path], schema: pa.Schema, columns: Sequence[str], where: ds.Expression
) -> Iterator[tuple[Key, dict[str, Any]]]:
    """The rows with the picture that each belongs to."""
    for frame in scan(files, schema, columns, where):
        for values in frame.itertuples(index=False):
            row = dict(zip(columns, values, strict=True))
            yield (row["image_id"], row["method"]), row


def _heatmap(row: dict[str, Any]) -> NDArray[np.float32] | None:
    """The row's relevance (h, w) up to its scale, which the display divides out again."""
    if row["heatmap"] is None:
        return None
    shape = int(row["heatmap_height"]), int(row["heatmap_width"])
    return np.asarray(row["heatmap"], np.float32).reshape(shape)


def photo_files(paths: RunPaths, theirs: ds.Expression, root: Path | None) -> dict[str, Path]:
    """Image -> its file, spelled as the file system spells it."""
    if root is None:
        return {}
    columns = ["image_id", "raw_path"]
    return {
        image_id: root / (os.fsdecode(raw_path) if raw_path else image_id)
        for frame in scan([paths.manifest], MANIFEST, columns, theirs)
        for image_id, raw_path in zip(frame["image_id"], frame["raw_path"], strict=True)
    }
