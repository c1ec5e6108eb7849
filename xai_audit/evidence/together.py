"""Every cue at once, for how much accuracy rests on cues together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xai_audit.evidence.canvas import transplanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from xai_audit.types import Canvas, Cue

ALL = "all"


class Together:
    """The cues of one photo replaced by those of one donor, one after another.

    Args:
        cues: in this order; those that change the aspect ratio or come from the user are left out.
    """

    way = "both"
    needs_mask = False

    def __init__(self, cues: Sequence[Cue]) -> None:
        self.name = ALL
        self._cues = [cue for cue in cues if cue.way in ("both", "down")]

    def region(self, canvas: Canvas) -> torch.Tensor | None:
        """None: it is everywhere."""
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
        whole = masked and any(cue.needs_mask for cue in self._cues)
        for cue in self._cues:
            now = replace(canvas, photo=photo)
            # Border and corners lie in the background, which changes as a whole where it is known.
            if not masked if cue.needs_mask else whole and cue.region(now) is not None:
                continue
            changed = transplanted(cue, now, donor)
            if changed.shape == photo.shape:
                photo = changed
        return photo
