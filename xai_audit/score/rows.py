"""Rows of the attributions and the scores table: heatmaps to the table and back, and scored.

A heatmap is stored as float16 with a power-of-two scale, and scored as stored, so that scoring
again from the files gives the same numbers as scoring in the pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from xai_audit.schema import ATTRIBUTIONS, BANDS, OK, REGIONS, SCORES
from xai_audit.score.scores import Scores, score
from xai_audit.vision.geometry import view
from xai_audit.vision.transform import bands, pull_down

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Preprocess
    from xai_audit.vision.loader import Batch

ROW_COLUMNS = (
    "image_id", "class_name", "label", "pred", "confidence", "method", "target_kind", "target",
    "against",
)  # fmt: skip

# REGIONS lists what comes from masks first, then the bands.
_FROM_MASK = len(REGIONS) - len(BANDS)


@dataclass(frozen=True)
class Explained:
    """N rows of one method: predictions and heatmaps of some images, targets of each together.

    Attributes:
        rows: the columns that every table starts with, N values each.
        owner: (N,) int64, which image of the batch a row belongs to.
        target_score: (N,) float32, the explained logit or margin.
        completeness_error: (N,) float32, NaN where the method promises no completeness.
        heatmap: (N, h, w) float16, relevance divided by ``scale``; NaN where not finite.
        scale: (N,) float32, powers of two.
    """

    rows: dict[str, pa.Array]
    owner: torch.Tensor
    target_score: NDArray[np.float32]
    completeness_error: NDArray[np.float32]
    heatmap: torch.Tensor
    scale: torch.Tensor

    @property
    def relevance(self) -> torch.Tensor:
        """(N, h, w) float32, as a reader of the table gets it."""
        return self.heatmap.float() * self.scale[:, None, None]


def quantised(relevance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``relevance`` (N, h, w) as float16 in 0..2 and its power-of-two scale (N,) float32."""
    largest = relevance.flatten(1).amax(1).nan_to_num(0, posinf=0)
    scale = torch.where(largest > 0, torch.exp2(torch.log2(largest).floor()), 1.0)
    return (relevance / scale[:, None, None]).half(), scale


def attribution_rows(explained: Explained) -> pa.Table:
    """The rows of the attributions table."""
    count, height, width = explained.heatmap.shape
    flat = pa.array(explained.heatmap.numpy().reshape(-1))
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * (height * width))
    columns = {
        **explained.rows,
        "target_score": pa.array(explained.target_score, from_pandas=True),
        "completeness_error": pa.array(explained.completeness_error, from_pandas=True),
        "heatmap": pa.ListArray.from_arrays(offsets, flat),
        "heatmap_height": np.full(count, height, np.int32),
        "heatmap_width": np.full(count, width, np.int32),
        "heatmap_scale": explained.scale.numpy(),
    }
    return pa.table([columns[name] for name in ATTRIBUTIONS.names], schema=ATTRIBUTIONS)


def explained_from(table: pa.Table, image_ids: Sequence[str]) -> list[Explained]:
    """The rows of ``image_ids`` in an attributions table, one block a grid size."""
    place = {image_id: index for index, image_id in enumerate(image_ids)}
    owners = np.array([place.get(i, -1) for i in table.column("image_id").to_pylist()])
    heights = table.column("heatmap_height").to_numpy()
    widths = table.column("heatmap_width").to_numpy()
    blocks = []
    for height, width in sorted({*zip(heights.tolist(), widths.tolist(), strict=True)}):
        chosen = np.flatnonzero((owners >= 0) & (heights == height) & (widths == width))
        if not len(chosen):
            continue
        part = table.take(pa.array(chosen)).combine_chunks()
        cells = part.column("heatmap").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        blocks.append(
            Explained(
                rows={name: part.column(name).combine_chunks() for name in ROW_COLUMNS},
                owner=torch.from_numpy(owners[chosen]),
                target_score=part.column("target_score").to_numpy(),
                completeness_error=part.column("completeness_error").to_numpy(),
                heatmap=torch.from_numpy(cells.reshape(-1, height, width).copy()),
                scale=torch.from_numpy(part.column("heatmap_scale").to_numpy().copy()),
            )
        )
    return blocks


def ordered(
    tables: Sequence[pa.Table], schema: pa.Schema, failed: Collection[str] = ()
) -> pa.Table:
    """One table in one order whatever the batch size, without the images that ``failed``."""
    if not tables:
        return schema.empty_table()
    table = pa.concat_tables(tables).combine_chunks()
    if failed:
        out = pc.is_in(table.column("image_id"), value_set=pa.array(list(failed)))
        table = table.filter(pc.invert(out))
    # Blocks came a method or a grid at a time; rows of an image belong together.
    image = pc.dictionary_encode(table.column("image_id")).combine_chunks().indices
    keys = pa.table({"image": image, "method": table.column("method")})
    keys = keys.append_column("row", pa.array(np.arange(table.num_rows)))
    order = [(name, "ascending") for name in ("image", "method", "row")]
    return table.take(pc.sort_indices(keys, sort_keys=order))


class Scorer:
    """Scores rows of heatmaps against the regions of their photos.

    Args:
        preprocess: places photos in the model's view.
        border: width of the border band, share of the photo's shorter side.
        corner: side of the corner squares, share of the photo's shorter side.
        device: where the arithmetic happens.
    """

    def __init__(
        self, *, preprocess: Preprocess, border: float, corner: float, device: str
    ) -> None:
        self._preprocess, self._border, self._corner = preprocess, border, corner
        self._device = device

    def rows(self, explained: Explained, batch: Batch) -> pa.Table:
        """The rows of the scores table for ``explained``, rows of images of ``batch``."""
        grid = (explained.heatmap.shape[1], explained.heatmap.shape[2])
        first = int(explained.owner.min())
        batch = batch.images(slice(first, int(explained.owner.max()) + 1))
        coverage = None if batch.coverage is None else batch.coverage.to(self._device)
        pulled, area = self.regions(batch, coverage, grid)
        rows = explained.owner - first
        owner = rows.to(self._device)
        scores = score(
            explained.relevance.to(self._device),
            pulled[owner],
            None if coverage is None else coverage[:, 0][owner],
            self._preprocess.crop,
        )
        status = [batch.mask_status[index] for index in rows.tolist()]
        return _score_table(explained, scores, area[owner].cpu(), status)

    def regions(
        self, batch: Batch, coverage: torch.Tensor | None, grid: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Regions pulled down (B, R, h, w) and their areas (B, R); NaN where undefined."""
        pulled = torch.full((len(batch.records), len(REGIONS), *grid), torch.nan)
        area = torch.full((len(batch.records), len(REGIONS)), torch.nan)
        for row, record in enumerate(batch.records):
            geometry = view((record.height, record.width), self._preprocess)
            pulled[row, _FROM_MASK:], area[row, _FROM_MASK:] = bands(
                geometry, self._border, self._corner, grid
            )
        known = torch.tensor([status == OK for status in batch.mask_status])
        pulled, area = pulled.to(self._device), area.to(self._device)
        if coverage is not None and bool(known.any()):
            known = known.to(self._device)
            share = coverage[known].float() / 255
            pulled[known, :_FROM_MASK] = pull_down(share, grid)
            area[known, :_FROM_MASK] = share.mean(dim=(2, 3))
        # A region that the crop never shows has no mass: null, not 0.
        pulled.masked_fill_((area == 0)[:, :, None, None], torch.nan)
        return pulled, area


def _score_table(
    explained: Explained, scores: Scores, area: torch.Tensor, mask_status: list[str]
) -> pa.Table:
    mass, peak = scores.mass.cpu(), scores.peak.cpu()
    lift = mass / area
    columns: dict[str, object] = {
        **explained.rows,
        "relevance_total": _nullable(scores.total),
        "rank_accuracy": _nullable(scores.rank_accuracy),
        "pointing_hit": _nullable(scores.pointing_hit).cast(pa.bool_()),
        "entropy": _nullable(scores.entropy),
        "peak_y": _nullable(peak[:, 0]),
        "peak_x": _nullable(peak[:, 1]),
        "mask_status": pa.array(mask_status),
        "score_status": pa.array(_reasons(scores, area, mask_status)),
    }
    for index, region in enumerate(REGIONS):
        columns[f"mass_{region}"] = _nullable(mass[:, index])
        columns[f"area_{region}"] = _nullable(area[:, index])
        columns[f"lift_{region}"] = _nullable(lift[:, index])
    return pa.table([columns[name] for name in SCORES.names], schema=SCORES)


def _nullable(values: torch.Tensor) -> pa.Array:
    """A float32 column where NaN is null."""
    return pa.array(values.cpu().float().numpy(), from_pandas=True)


def _reasons(scores: Scores, area: torch.Tensor, mask_status: list[str]) -> list[str]:
    """Why cells of each row are null: ``ok`` or ``what=reason`` joined by ``;``."""
    hidden, small = (area == 0).tolist(), scores.rank_accuracy.isnan().tolist()
    reasons = []
    for row, relevance in enumerate(scores.total.tolist()):
        found = []
        if not math.isfinite(relevance):
            found.append("relevance=not_finite")
        elif relevance <= 0:
            found.append("relevance=none")
        if mask_status[row] != OK:
            found.append(f"mask={mask_status[row]}")
        found += [f"{r}=not_in_view" for r, out in zip(REGIONS, hidden[row], strict=True) if out]
        if not found and small[row]:  # less than half of every pixel it touches
            found.append("object=too_small")
        reasons.append(";".join(found) or OK)
    return reasons
