"""The survey: descriptors, regions on the heatmap's grid and levels of every cue in the photos.

One pass over a sample of the photos, no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from torch.utils.data import Dataset

from xai_audit.errors import CueProblem, PluginError
from xai_audit.evidence.columns import SURVEY
from xai_audit.evidence.left_out import stop_if_broken
from xai_audit.evidence.near import perceptual_hash
from xai_audit.vision.canvas import asked, one_thread, seen
from xai_audit.vision.transform import pull_down
from xai_audit.vision.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Canvas, Cue
    from xai_audit.vision.canvas import Source

_CHUNK = 16


def surveyed(
    source: Source,
    cues: Mapping[str, Cue],
    parts: Sequence[Sequence[str]],
    *,
    grid: tuple[int, int],
    progress: Callable[[int], None],
    described: bool = True,
) -> Iterator[pa.Table]:
    """The rows of SURVEY of each part; a photo that cannot be decoded has none.

    A cue that fails on a photo has a row with the reason and nothing else.

    Args:
        source: of canvases.
        cues: by key, in the order of the rows.
        parts: image ids of each part.
        grid: (h, w) of the heatmaps.
        progress: called with the number of photos just read; may raise to stop.
        described: whether descriptors are read too.

    Raises:
        PluginError: a cue breaks its contract, or one of the user's fails on all photos of a part.
    """
    ids = [image_id for part in parts for image_id in part]
    workers = Workers(
        _Sample(source, cues, ids, grid, described=described),
        num_workers=source.num_workers,
        collate=list,
        batch_size=_CHUNK,
    )
    items = (item for chunk in workers for item in chunk)
    for part in parts:
        rows: list[dict[str, Any]] = []
        for image_id in part:
            item = next(items)
            progress(1)
            if item is not None:
                rows += _rows(image_id, *item)
        for key, cue in cues.items():
            mine = [row for row in rows if row["cue"] == key]
            problems = [CueProblem(key, r["image_id"], r["failed"]) for r in mine if r["failed"]]
            stop_if_broken(cue, [row["image_id"] for row in mine], problems)
        yield pa.Table.from_pylist(rows, schema=SURVEY)


def _rows(image_id: str, fingerprint: int, ones: Mapping[str, _One]) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image_id,
            "cue": key,
            "hash": fingerprint,
            "descriptors": one.descriptors,
            "region": None if one.region is None else one.region.ravel(),
            "area": None if one.area != one.area else one.area,
            "level": None if one.level != one.level else one.level,
            "object_included": one.object_included,
            "failed": one.failed,
        }
        for key, one in ones.items()
    ]


@dataclass(frozen=True)
class _One:
    descriptors: NDArray[np.float32] | None
    region: NDArray[np.float32] | None
    area: float
    level: float
    failed: str | None = None
    object_included: bool | None = None


class _Sample(Dataset["tuple[int, dict[str, _One]] | None"]):
    def __init__(
        self,
        source: Source,
        cues: Mapping[str, Cue],
        ids: Sequence[str],
        grid: tuple[int, int],
        *,
        described: bool,
    ) -> None:
        self._source, self._cues, self._ids, self._grid = source, cues, ids, grid
        self._described = described

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> tuple[int, dict[str, _One]] | None:
        with one_thread():
            canvas = self._source.read(self._ids[index])
            if canvas is None:
                return None
            ones = {key: self._one_or_failed(cue, canvas) for key, cue in self._cues.items()}
            return perceptual_hash(canvas.photo), ones

    def _one_or_failed(self, cue: Cue, canvas: Canvas) -> _One:
        try:
            return self._one(cue, canvas)
        except CueProblem as problem:
            return _One(None, None, float("nan"), float("nan"), problem.reason)

    def _one(self, cue: Cue, canvas: Canvas) -> _One:
        with asked(cue, canvas):
            region = cue.region(canvas)
            descriptors = cue.descriptors(canvas) if self._described else None
            level = float(cue.level(canvas)) if cue.way == "down" else float("nan")
            includes = getattr(cue, "includes_object", None)
            included = None if includes is None else bool(includes(canvas))
        vector = isinstance(descriptors, np.ndarray) and descriptors.ndim == 1
        if descriptors is not None and not vector:
            raise PluginError(
                f"cue {cue.name} broke its contract",
                where=canvas.record.image_id,
                expected="descriptors (D,) as a NumPy array, or None",
                got=f"{type(descriptors).__name__} {np.shape(descriptors)}",
            )
        if region is None:
            return _One(descriptors, None, float("nan"), level, object_included=included)
        if region.shape != canvas.photo.shape[1:]:
            raise PluginError(
                f"cue {cue.name} broke its contract",
                where=canvas.record.image_id,
                expected=f"a region {tuple(canvas.photo.shape[1:])}",
                got=tuple(region.shape),
            )
        inside = seen(region[None], canvas.preprocess)[0].double()
        pulled = pull_down(inside, self._grid).numpy().astype(np.float32)
        return _One(descriptors, pulled, float(inside.mean()), level)
