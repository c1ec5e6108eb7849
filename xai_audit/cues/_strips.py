"""Rectangles of the stored photo on its canvas: their coverage, resampling and blending."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from xai_audit.vision.geometry import covered, depths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xai_audit.types import Canvas


def scaled(canvas: Canvas, share: float) -> tuple[float, float]:
    """``share`` of the stored photo's shorter side in canvas px along (rows, columns)."""
    height, width = canvas.photo.shape[1:]
    return depths((canvas.record.height, canvas.record.width), (height, width), share)


def overlap(side: int, start: float, stop: float) -> torch.Tensor:
    """The share (side,) float32 of each pixel that lies between ``start`` and ``stop`` px."""
    return torch.from_numpy(covered(side, [(start, stop)])[0]).float()


def resampling(
    target: int, cuts: Sequence[float], source: int, source_cuts: Sequence[float]
) -> torch.Tensor:
    """W (target, source) float32 that brings each piece of a line onto its counterpart.

    Piece k runs from ``cuts[k]`` to ``cuts[k + 1]`` px and takes its pixels from the same piece of
    the source alone, by a triangle as wide as the shrinkage: antialiased bilinear. A pixel that two
    pieces share belongs to the outer one. Rows that lie in no piece are 0.

    Args:
        target: length of the line in px.
        cuts: ends of its pieces, ascending, px.
        source: length of the source in px.
        source_cuts: ends of the source's pieces, as many.
    """
    weights = torch.zeros(target, source, dtype=torch.float64)
    taken = torch.zeros(target, dtype=torch.bool)
    centre = torch.arange(target, dtype=torch.float64) + 0.5
    place = torch.arange(source, dtype=torch.float64) + 0.5
    pieces = range(len(cuts) - 1)
    for piece in sorted(pieces, key=lambda k: min(k, len(cuts) - 2 - k)):
        start, stop = cuts[piece : piece + 2]
        first, last = source_cuts[piece : piece + 2]
        rows = (overlap(target, start, stop) > 0) & ~taken
        if stop <= start or not rows.any():
            continue
        ratio = (last - first) / (stop - start)
        middle = first + (centre[rows] - start) * ratio
        triangle = 1 - (place - middle[:, None]).abs() / max(ratio, 1.0)
        weights[rows] = _normalised(triangle.clamp(min=0) * overlap(source, first, last), middle)
        taken |= rows
    return weights.float()


def resampled(photo: torch.Tensor, down: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    """``photo`` (3, h', w') by W (h, h') along rows and W (w, w') along columns, float32."""
    return down @ photo.float() @ across.T


def blended(photo: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """``photo`` (3, h, w) uint8 with ``share`` (h, w) of ``other``; unchanged where that is 0."""
    base = photo.float()
    return (base + (other - base) * share).round().clamp(0, 255).to(torch.uint8)


def _normalised(weights: torch.Tensor, middle: torch.Tensor) -> torch.Tensor:
    """Rows that sum to 1; the nearest pixel where a piece is too thin to weigh anything."""
    total = weights.sum(1, keepdim=True)
    nearest = torch.zeros_like(weights)
    column = middle.floor().long().clamp(0, weights.shape[1] - 1)
    nearest.scatter_(1, column[:, None], 1.0)
    return torch.where(total > 0, weights / total.clamp(min=1e-12), nearest)
