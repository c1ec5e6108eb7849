"""A discovered region: cells of the model's view with high relevance in a cluster's heatmaps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.cues._fill import cleared
from xai_audit.cues._strips import blended
from xai_audit.cues._texture import composition
from xai_audit.vision.geometry import view

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.types import Canvas


class Cluster:
    """A region of the model's view that a cluster of a class's heatmaps has in common.

    Args:
        name: of the cue, ``cluster_<k>``.
        cells: 0 or 1 for each cell of a grid (h, w) over the view.
    """

    way = "both"
    needs_mask = False

    def __init__(self, *, name: str, cells: Sequence[Sequence[int]]) -> None:
        self.name = name
        self._cells = [list(row) for row in cells]

    def region(self, canvas: Canvas) -> torch.Tensor:
        """The cells' share (h, w) float32 of each pixel, upsampled smoothly; 0 outside the view.

        The object is left out where it is known, since the region may lie on it.
        """
        region = self._everywhere(canvas)
        return region if canvas.object is None else region * (canvas.object <= 127)

    def _everywhere(self, canvas: Canvas) -> torch.Tensor:
        """The region (h, w) including the part that the object hides."""
        geometry = view((canvas.record.height, canvas.record.width), canvas.preprocess)
        cells = torch.tensor(self._cells, dtype=torch.float32)[None, None]
        seen = F.interpolate(cells, size=geometry.crop, mode="bilinear", align_corners=False)[0]
        return _placed(seen, (geometry.top, geometry.left), _size(canvas))[0]

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """Composition of the region; None where all of it is object or outside the photo."""
        return composition(canvas, self._everywhere(canvas))

    def level(self, canvas: Canvas) -> float:  # noqa: ARG002 - the contract's signature
        """NaN: a region has no level."""
        return math.nan

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo with the donor's pixels at the same place of the view."""
        source = cleared(donor, self._everywhere(donor))
        own, other = (
            view((one.record.height, one.record.width), one.preprocess) for one in (canvas, donor)
        )
        whole = torch.cat([source, torch.full_like(source[:1], 255)])
        # The last channel marks the donor's photo: its view may be padded.
        moved = _placed(whole, (own.top - other.top, own.left - other.left), _size(canvas))
        return blended(canvas.photo, moved[:3].float(), self.region(canvas) * (moved[3] > 0))


def _size(canvas: Canvas) -> tuple[int, int]:
    height, width = canvas.photo.shape[1:]
    return height, width


def _placed(image: torch.Tensor, at: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """``image`` (C, h, w) with its top left corner ``at`` (y, x) of ``size``, 0 elsewhere."""
    out = image.new_zeros(len(image), *size)
    (top, left), (height, width) = at, image.shape[1:]
    bottom, right = min(top + height, size[0]), min(left + width, size[1])
    if bottom > max(top, 0) and right > max(left, 0):
        part = image[:, max(-top, 0) : bottom - top, max(-left, 0) : right - left]
        out[:, max(top, 0) : bottom, max(left, 0) : right] = part
    return out
