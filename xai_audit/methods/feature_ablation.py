"""Feature ablation: the fall of the score when one superpixel is removed.

Source: Zeiler and Fergus 2014, section 4, with superpixels for squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from xai_audit.methods._coalitions import PieceMethod
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Request


@dataclass(frozen=True, kw_only=True)
class FeatureAblation(PieceMethod):
    """Feature ablation, a forward a superpixel."""

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W): a superpixel's fall of the score, shared by its pixels."""
        cut = self.cut(request)
        most = max(int(labels.max()) + 1 for labels in cut.labels)

        def draw(_: str, pieces: int) -> NDArray[np.bool_]:
            # Rows past an image's own superpixels take nothing away: all have as many copies.
            return ~np.eye(most, pieces, dtype=bool)

        _, scores = cut.scores(request, draw)
        before = torch.stack([t.score(request.logits.float()) for t in request.targets], 1)
        falls = before[:, None] - scores  # (B, S, T)
        values = [
            fall[: int(labels.max()) + 1].T for fall, labels in zip(falls, cut.labels, strict=True)
        ]
        return Attribution(cut.spread(values))
