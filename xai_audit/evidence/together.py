"""All cues transplanted at once, to measure how much accuracy depends on cues together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xai_audit.evidence.cells import ALL
from xai_audit.vision.canvas import fitted, transplanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from xai_audit.types import Canvas, Cue


class Together:
    """The cues of one photo replaced by those of one donor, one after another.

    Args:
        cues: in this order; cues that add something (``way="added"``) are left out, and so is one
            that would change the photo's shape.
    """

    way = "both"
    needs_mask = False

    def __init__(self, cues: Sequence[Cue]) -> None:
        self.name = ALL
        self._cues = [cue for cue in cues if cue.way in ("both", "down")]

    def fitted(self, canvases: Sequence[Canvas]) -> Together:
        """These cues, each fitted to ``canvases``."""
        return Together([fitted(cue, canvases) for cue in self._cues])

    def region(self, canvas: Canvas) -> torch.Tensor | None:
        """None: all cues together have no region of their own."""
        del canvas
        return None

    def descriptors(self, canvas: Canvas) -> NDArray[np.float32] | None:
        """None: it is only transplanted."""
        del canvas
        return None

    def level(self, canvas: Canvas) -> float:
        """NaN: it is not a property."""
        del canvas
        return float("nan")

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo (3, h, w) with every cue of the donor."""
        photo = canvas.photo
        masked = canvas.object is not None and donor.object is not None
        for cue in self._cues:
            now = replace(canvas, photo=photo)
            if self._left_out(cue, now, masked=masked):
                continue
            changed = transplanted(cue, now, donor)
            if changed.shape == photo.shape:
                photo = changed
        return photo

    def _left_out(self, cue: Cue, canvas: Canvas, *, masked: bool) -> bool:
        """Whether the cue is not transplanted by itself here.

        It is left out where it needs a mask and there is none, and where it is a region of the
        background (border, corners) that is replaced as a whole.
        """
        if cue.needs_mask:
            return not masked
        within = masked and any(other.needs_mask for other in self._cues)
        return within and cue.region(canvas) is not None
