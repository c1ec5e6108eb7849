"""The background: everything but the object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.cues._fill import cleared
from xai_audit.cues._strips import blended, check_size
from xai_audit.cues._surroundings import around
from xai_audit.cues._texture import composition
from xai_audit.errors import CueProblem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.types import Canvas


class Background:
    """The object's surroundings: meadow, laboratory bench, sky.

    Args:
        name: of the cue.
    """

    way = "both"
    needs_mask = True

    def __init__(self, *, name: str) -> None:
        self.name = name

    def region(self, canvas: Canvas) -> torch.Tensor | None:
        """The share (h, w) float32 of each pixel that is background; None without a mask."""
        return None if canvas.object is None else around(canvas.object)

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """Composition of the background; None without a mask or where all is object."""
        return None if canvas.object is None else composition(canvas, None)

    def level(self, canvas: Canvas) -> float:  # noqa: ARG002 - the contract's signature
        """NaN: a background has no level."""
        return math.nan

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The object of ``canvas`` before the donor's background, its own object filled in.

        Both must have a mask (``region`` is not None): without one a donor would carry its object
        over, and a photo left as it is would look like a cue without effect.

        Raises:
            CueProblem: where one has no mask.
        """
        region = self.region(canvas)
        if region is None or donor.object is None:
            where = f"{canvas.record.image_id}, donor {donor.record.image_id}"
            raise CueProblem(self.name, where, "no background without an object mask")
        height, width = canvas.photo.shape[1:]
        return blended(canvas.photo, _covering(cleared(donor), (height, width)), region)


def _covering(photo: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """``photo`` (3, h', w') resized to cover ``size`` and cropped at the centre, float32."""
    scale = max(wanted / side for wanted, side in zip(size, photo.shape[1:], strict=True))
    whole = [
        max(round(side * scale), wanted) for side, wanted in zip(photo.shape[1:], size, strict=True)
    ]
    check_size(*whole)
    resized = photo.float()
    if whole != list(photo.shape[1:]):
        resized = F.interpolate(
            resized[None], size=whole, mode="bilinear", align_corners=False, antialias=True
        )[0]
    top, left = ((w - s) // 2 for w, s in zip(whole, size, strict=True))
    return resized[:, top : top + size[0], left : left + size[1]]
