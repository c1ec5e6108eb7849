"""Properties that an object can have too, such as its colour: changed in its surroundings alone."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch.nn.functional as F

from xai_audit.cues._fill import grown
from xai_audit.cues._property import PhotoProperty, background
from xai_audit.cues._strips import blended

if TYPE_CHECKING:
    import torch

    from xai_audit.types import Canvas

# The object keeps a thin rim of its own surroundings, so that its outline is not cut; px.
_RIM = 2


def around(covered: torch.Tensor) -> torch.Tensor:
    """The share (h, w) float32 of each pixel around the object; ``covered`` (h, w) is uint8."""
    kept = grown(covered > 127, _RIM).float()[None, None]
    # Averaged over 3 x 3: the object's edge is soft, as a camera draws it.
    edge = F.avg_pool2d(F.pad(kept, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return 1 - edge[0, 0]


def surroundings(canvas: Canvas) -> torch.Tensor | None:
    """The share (h, w) of each pixel around the object; None without a mask or surroundings."""
    if canvas.object is None or background(canvas).all():
        return None
    return around(canvas.object)


class ObjectProperty(PhotoProperty):
    """A property that an object can have itself: a bluebell is blue, and no shortcut for that.

    So it is read and changed outside the object, which keeps its own. Without a mask, or where the
    photo is all object, the whole photo is changed, and the effect may be the object's own.

    Args:
        name: of the cue.
    """

    @abstractmethod
    def changed(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The whole photo (3, h, w) uint8 with the donor's property, the object included."""

    def includes_object(self, canvas: Canvas) -> bool:
        """Whether :meth:`transplant` changes the object of this photo too."""
        return surroundings(canvas) is None

    def transplant(self, canvas: Canvas, donor: Canvas) -> torch.Tensor:
        """The photo (3, h, w) uint8 with the donor's property around its object."""
        return self._within(canvas, donor, surroundings(canvas))

    def _within(self, canvas: Canvas, donor: Canvas, share: torch.Tensor | None) -> torch.Tensor:
        """The photo with ``share`` (h, w) of each pixel changed; None: all of it."""
        changed = self.changed(canvas, donor)
        return changed if share is None else blended(canvas.photo, changed, share)
