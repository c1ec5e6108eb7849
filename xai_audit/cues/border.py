"""The border: a band along all four edges of the photo as stored, as deep as its own frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from xai_audit.cues._fill import cleared, halved
from xai_audit.cues._strips import blended, frame_depth, overlap, resampled, resampling, scaled
from xai_audit.cues._texture import composition
from xai_audit.vision.geometry import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Canvas

# Pieces of each edge whose mean colour is a descriptor.
_SEGMENTS = 8
# Behind the band a transplant fades out, over this share of the shorter side in so many steps: a
# model that reads frames takes a hard seam for the inner edge of one.
_FADE, _STEPS = 0.06, 13


class Border:
    """The border band: frames, margins, timestamps, objects at the edge.

    Args:
        name: of the cue.
        width: of the band, as a share of the stored photo's shorter side; a photo with a deeper
            frame has a band as deep as that.
    """

    way = "both"
    needs_mask = False

    def __init__(self, *, name: str, width: float) -> None:
        self.name = name
        self._width = width

    def region(self, canvas: Canvas) -> torch.Tensor:
        """The band's share (h, w) float32 of each pixel, fractional at its inner edge."""
        return _band(canvas, self._depth(canvas))

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """Composition of the band and the mean colour of 8 segments an edge; None if all object."""
        depth = self._depth(canvas)
        described = composition(canvas, _band(canvas, depth))
        if described is None:
            return None
        small = halved(canvas)
        layout = _layout(cleared(small, _band(small, depth)), _cuts(small, depth))
        return np.concatenate([described, layout])

    def level(self, canvas: Canvas) -> float:  # noqa: ARG002 - the contract's signature
        """NaN: a border has no level."""
        return math.nan

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo with the donor's edges and corners, each resized to its own (nine-slice).

        A frame stays a frame whatever the two aspect ratios; the deeper of two is replaced whole.
        Behind the band what lies next to it in the donor fades out. The object of ``canvas`` is
        overwritten where it reaches the band, as a frame lies over everything.
        """
        depth = max(self._depth(canvas), self._depth(donor))
        band = _band(donor, depth)
        behind = cleared(donor, _faded(donor, depth))
        source = torch.where(band > 0, cleared(donor, band), behind)
        weights = [
            resampling(canvas.photo.shape[axis + 1], cuts, source.shape[axis + 1], donor_cuts)
            for axis, (cuts, donor_cuts) in enumerate(
                zip(_cuts(canvas, depth), _cuts(donor, depth), strict=True)
            )
        ]
        return blended(canvas.photo, resampled(source, *weights), _faded(canvas, depth))

    def fitted(self, canvases: Sequence[Canvas]) -> Border:
        """This cue with one depth for all ``canvases``, so that all are edited in the same way."""
        return Border(name=self.name, width=max(map(self._depth, canvases)))

    def _depth(self, canvas: Canvas) -> float:
        """Of the band, as a share of the stored photo's shorter side."""
        return max(self._width, frame_depth(canvas))


def _band(canvas: Canvas, depth: float) -> torch.Tensor:
    """The share (h, w) float32 of each pixel that lies within ``depth`` of an edge."""
    down, across = _cuts(canvas, depth)
    height, width = canvas.photo.shape[1:]
    inside = [overlap(height, *down[1:3]), overlap(width, *across[1:3])]
    return 1 - torch.outer(*inside)


def _faded(canvas: Canvas, depth: float) -> torch.Tensor:
    """The band (h, w) float32, with a share that falls to 0 behind it."""
    depths = np.linspace(depth, depth + _FADE, _STEPS).tolist()
    return torch.stack([_band(canvas, each) for each in depths]).mean(0)


def _cuts(canvas: Canvas, depth: float) -> list[list[float]]:
    """The ends of the band along rows and along columns, px."""
    sides = [float(side) for side in canvas.photo.shape[1:]]
    inner = [within(side, band) for side, band in zip(sides, scaled(canvas, depth), strict=True)]
    return [
        [0.0, min(start, side / 2), max(stop, side / 2), side]
        for side, (start, stop) in zip(sides, inner, strict=True)
    ]


def _layout(photo: torch.Tensor, band: list[list[float]]) -> NDArray[np.float32]:
    """Mean colour of each segment of the four edges, 0..1, (96,) float32."""
    ends, pieces = [], []
    for cuts, side in zip(band, photo.shape[1:], strict=True):
        ends.append(torch.stack([overlap(side, *cuts[:2]), overlap(side, *cuts[2:])]))
        marks = np.linspace(0, side, _SEGMENTS + 1).tolist()
        pieces.append(torch.stack([overlap(side, *marks[k : k + 2]) for k in range(_SEGMENTS)]))
    weights = zip((ends[0], pieces[0]), (pieces[1], ends[1]), strict=True)
    means = [
        resampled(photo, down / down.sum(1, keepdim=True), across / across.sum(1, keepdim=True))
        for down, across in weights
    ]
    layout: NDArray[np.float32] = (torch.cat([m.flatten() for m in means]) / 255).numpy()
    return layout
