"""Rows of the scores table: where the relevance of each heatmap lies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyarrow as pa
import torch

from xai_audit.schema import BANDS, OK, REGIONS, SCORES
from xai_audit.score.scores import Scores, score
from xai_audit.vision.geometry import view
from xai_audit.vision.regions import bands, pull_down

if TYPE_CHECKING:
    from xai_audit.score.rows import Explained
    from xai_audit.types import Preprocess
    from xai_audit.vision.loader import Batch

# REGIONS lists what comes from masks first, then the bands.
_FROM_MASK = len(REGIONS) - len(BANDS)


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
