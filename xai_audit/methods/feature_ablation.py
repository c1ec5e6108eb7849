"""Feature ablation: how far the score falls when one superpixel is taken away.

Source: Zeiler and Fergus 2014, section 4, with superpixels for squares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from xai_audit.methods._coalitions import Pieces
from xai_audit.types import Attribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Request


class FeatureAblation:
    """Feature ablation.

    Args:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        superpixels: ``slic`` or ``grid``.
        pieces: about how many superpixels an image; a forward each.
        fill: what is put where one was: ``superpixel`` (its mean colour), ``black``, ``mean``,
            ``blur``, ``random`` or ``photo``.
        seed: of the run.
    """

    def __init__(
        self, *, name: str, sign: str, superpixels: str, pieces: int, fill: str, seed: int
    ) -> None:
        self.name, self.sign = name, sign
        self._pieces = Pieces(name, superpixels, pieces, fill, seed)

    def attribute(self, request: Request) -> Attribution:
        """Maps (B, T, H, W): a superpixel's fall of the score, shared by its pixels."""
        cut = self._pieces.cut(request)
        most = max(int(labels.max()) + 1 for labels in cut.labels)

        def draw(_: str, pieces: int) -> NDArray[np.bool_]:
            # Rows beyond an image's own superpixels take nothing away: all have as many copies.
            return ~np.eye(most, pieces, dtype=bool)

        _, scores = cut.scores(request, draw)
        before = torch.stack([t.score(request.logits.float()) for t in request.targets], 1)
        falls = before[:, None] - scores  # (B, S, T)
        values = [
            fall[: int(labels.max()) + 1].T for fall, labels in zip(falls, cut.labels, strict=True)
        ]
        return Attribution(cut.spread(values))
