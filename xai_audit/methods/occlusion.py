"""Occlusion: the fall of the score when a square that slides over the image hides a part of it.

Source: Zeiler and Fergus 2014, section 4; a pixel gets the mean over the squares that hide it, as
in Captum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.methods._limits import one_of, within
from xai_audit.network.copies import BASELINES, baseline, copy_scores
from xai_audit.network.inputs import full
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from xai_audit.types import Request


class Occlusion:
    """Occlusion.

    Args:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        window: side of the square, a share of the image's shorter side.
        stride: of its steps, likewise.
        baseline: what replaces it: ``black``, ``mean``, ``blur``, ``random`` or ``photo``.
        seed: of the run.
    """

    def __init__(
        self, *, name: str, sign: str, window: float, stride: float, baseline: str, seed: int
    ) -> None:
        self.name, self.sign, self._window, self._stride = name, sign, window, stride
        self._baseline, self._seed = one_of(name, "baseline", baseline, BASELINES), seed
        within(name, "window", window, 0, 1)
        within(name, "stride", stride, 0, window)  # else some pixels are never hidden

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W)."""
        height, width = request.images.shape[2:]
        window, stride = (
            max(round(share * min(height, width)), 1) for share in (self._window, self._stride)
        )
        steps = [max(-(-(side - window) // stride), 0) + 1 for side in (height, width)]
        fill = baseline(self._baseline, request, self._seed)
        places = steps[0] * steps[1]
        count = len(request.images)
        owner = torch.arange(count, device=fill.device).repeat_interleave(places)
        numbers = range(len(owner))

        def hide(some: slice) -> torch.Tensor:
            copies = request.images[owner[some]]
            for copy, number in zip(copies, numbers[some], strict=True):
                image, place = divmod(number, places)
                y, x = (step * stride for step in divmod(place, steps[1]))
                hidden = (slice(None), slice(y, y + window), slice(x, x + window))
                copy[hidden] = fill[image][hidden]
            return copies

        scores = copy_scores(request, owner, hide).view(count, places, -1)
        before = torch.stack([t.score(request.logits.float()) for t in request.targets], 1)
        falls = (before[:, None] - scores).mT.reshape(-1, 1, *steps)  # (B*T, 1, rows, columns)
        square = falls.new_ones((1, 1, window, window))
        with full(falls):
            total, hidden = (
                F.conv_transpose2d(each, square, stride=stride)[:, :, :height, :width]
                for each in (falls, torch.ones_like(falls[:1]))
            )
        return Attribution((total / hidden).view(count, -1, height, width))
