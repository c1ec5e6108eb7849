"""What a sample of photos tells of every cue: descriptors, regions on the heatmap's grid, levels.

One pass over the photos, no model; memory holds a bounded sample, whatever the dataset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import DataLoader, Dataset

from xai_audit.errors import PluginError
from xai_audit.evidence.near import perceptual_hash
from xai_audit.vision.canvas import one_thread, seen
from xai_audit.vision.loader import quiet
from xai_audit.vision.regions import pull_down

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Canvas, Cue
    from xai_audit.vision.canvas import Source

_CHUNK = 16


@dataclass(frozen=True)
class CueReading:
    """What n photos tell of one cue; NaN rows where a photo does not.

    Attributes:
        descriptors: (n, D) float32, or None where no photo has any.
        regions: (n, h, w) float32 pulled down onto the heatmap's grid, None for a property.
        areas: (n,) share of the view.
        levels: (n,), for ``way="down"``.
        usable: (n,) bool, whether the photo can take and give the cue.
        needs_mask: of the cue.
    """

    descriptors: NDArray[np.float32] | None
    regions: NDArray[np.float32] | None
    areas: NDArray[np.float64]
    levels: NDArray[np.float64]
    usable: NDArray[np.bool_]
    needs_mask: bool


@dataclass(frozen=True)
class Readings:
    """What was read of n photos.

    Attributes:
        rows: (n,) their rows among the selected ones; photos that cannot be decoded are left out.
        hashes: n perceptual hashes.
        cues: by name.
    """

    rows: NDArray[np.int64]
    hashes: list[int]
    cues: dict[str, CueReading]


def read(
    source: Source,
    cues: Sequence[Cue],
    rows: Sequence[int],
    *,
    grid: tuple[int, int],
    progress: Callable[[int], None],
) -> Readings:
    """The readings of ``rows``, in order.

    Args:
        source: of canvases.
        cues: to read.
        rows: of the selected images.
        grid: (h, w) of the heatmaps.
        progress: called with the number of photos just read.

    Raises:
        PluginError: a cue raises or breaks its contract.
    """
    loader = DataLoader(
        _Sample(source, cues, rows, grid),
        batch_size=_CHUNK,
        num_workers=source.num_workers,
        collate_fn=list,
        worker_init_fn=quiet if source.num_workers else None,
    )
    kept: list[int] = []
    hashes: list[int] = []
    read_of: dict[str, list[_One]] = {cue.name: [] for cue in cues}
    done = 0
    for chunk in loader:
        for row, item in zip(rows[done : done + len(chunk)], chunk, strict=True):
            if item is not None:
                kept.append(row)
                hashes.append(item[0])
                for name, one in item[1].items():
                    read_of[name].append(one)
        done += len(chunk)
        progress(len(chunk))
    stacked = {cue.name: _stacked(cue, read_of[cue.name], grid) for cue in cues}
    return Readings(np.array(kept, dtype=np.int64), hashes, stacked)


@dataclass(frozen=True)
class _One:
    descriptors: NDArray[np.float32] | None
    region: NDArray[np.float32] | None
    area: float
    level: float


class _Sample(Dataset["tuple[int, dict[str, _One]] | None"]):
    def __init__(
        self, source: Source, cues: Sequence[Cue], rows: Sequence[int], grid: tuple[int, int]
    ) -> None:
        self._source, self._cues, self._rows, self._grid = source, cues, rows, grid

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[int, dict[str, _One]] | None:
        with one_thread():
            canvas = self._source.read(self._rows[index])
            if canvas is None:
                return None
            ones = {cue.name: self._one(cue, canvas) for cue in self._cues}
            return perceptual_hash(canvas.photo), ones

    def _one(self, cue: Cue, canvas: Canvas) -> _One:
        try:
            region, descriptors = cue.region(canvas), cue.descriptors(canvas)
            level = float(cue.level(canvas)) if cue.way == "down" else float("nan")
        except Exception as exc:  # a user's cue may raise anything
            got = f"{type(exc).__name__}: {exc}"
            where = canvas.record.image_id
            raise PluginError(f"cue {cue.name} failed", where=where, got=got) from exc
        if region is None:
            return _One(descriptors, None, float("nan"), level)
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


def _stacked(cue: Cue, ones: list[_One], grid: tuple[int, int]) -> CueReading:
    described = [one.descriptors for one in ones]
    sizes = {len(d) for d in described if d is not None}
    if len(sizes) > 1:
        raise PluginError(
            f"cue {cue.name} broke its contract", expected="descriptors of one length", got=sizes
        )
    with_region = any(one.region is not None for one in ones)
    nowhere = np.full(grid, np.nan, np.float32)
    area = np.array([one.area for one in ones])
    descriptors = None
    if sizes:
        unknown = np.full(sizes.pop(), np.nan, np.float32)
        descriptors = np.stack([unknown if d is None else d for d in described])
    return CueReading(
        descriptors=descriptors,
        regions=np.stack([nowhere if one.region is None else one.region for one in ones])
        if with_region
        else None,
        areas=area,
        levels=np.array([one.level for one in ones]),
        # NaN, an unknown area, is not above 0.
        usable=area > 0 if with_region or cue.needs_mask else np.ones(len(ones), dtype=bool),
        needs_mask=cue.needs_mask,
    )
