"""Copies of images with some superpixels removed, and the scores of these copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from xai_audit.methods._limits import one_of, within
from xai_audit.methods._segments import SEGMENTERS, filled, segments
from xai_audit.network.baseline import BASELINES, baseline
from xai_audit.network.copies import copy_scores

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from xai_audit.types import Request

# The fill of a removed superpixel: a baseline, or the superpixel's own mean colour.
FILLS = ("superpixel", *BASELINES)


@dataclass(frozen=True, kw_only=True)
class PieceMethod:
    """The keys of a method that takes superpixels away, checked when it is built.

    Attributes:
        name: of the method.
        sign: ``positive`` or ``absolute``.
        superpixels: ``slic`` or ``grid``.
        pieces: about how many superpixels an image.
        fill: what is put where one was: ``superpixel`` (its mean colour), ``black``, ``mean``,
            ``blur``, ``random`` or ``photo``.
        seed: of the run.
    """

    name: str
    sign: str
    superpixels: str
    pieces: int
    fill: str
    seed: int

    def __post_init__(self) -> None:
        """Check the names and the count.

        Raises:
            ConfigError: an unknown name, no piece.
        """
        one_of(self.name, "superpixels", self.superpixels, SEGMENTERS)
        one_of(self.name, "fill", self.fill, FILLS)
        within(self.name, "pieces", self.pieces, 1)

    def cut(self, request: Request) -> Cut:
        """The images in pieces."""
        labels = segments(request, self.superpixels, self.pieces)
        if self.fill == "superpixel":
            return Cut(labels, filled(request, labels))
        return Cut(labels, baseline(self.fill, request, self.seed))


@dataclass(frozen=True, kw_only=True)
class SampledPieceMethod(PieceMethod):
    """The keys of one that looks at a sample of the coalitions.

    Attributes:
        samples: copies an image.
    """

    least: ClassVar[int]
    samples: int

    def __post_init__(self) -> None:
        """Check the number of samples, too.

        Raises:
            ConfigError: fewer than ``least`` samples, or as in PieceMethod.
        """
        within(self.name, "samples", self.samples, self.least)
        super().__post_init__()


@dataclass(frozen=True)
class Cut:
    """Images divided into pieces.

    Attributes:
        labels: B of (H, W) int64, F superpixels numbered from 0.
        fill: (B, C, H, W), the pixels that replace a removed piece.
    """

    labels: list[torch.Tensor]
    fill: torch.Tensor

    def scores(
        self, request: Request, draw: Callable[[str, int], NDArray[np.bool_]]
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The coalitions, B of (S, F) float32 0 or 1, and the targets' scores (B, S, T).

        Args:
            request: with the images.
            draw: (image id, F) -> (S, F), the pieces that each copy keeps; S is the same for all.
        """
        kept = []
        for image_id, labels in zip(request.image_ids, self.labels, strict=True):
            drawn = draw(image_id, int(labels.max()) + 1)
            kept.append(torch.from_numpy(drawn).to(request.images))
        samples = len(kept[0])
        device = request.images.device
        owner = torch.arange(len(kept), device=device).repeat_interleave(samples)

        def take_away(some: slice) -> torch.Tensor:
            first, last = some.start, min(some.stop, len(owner))
            shape = (last - first, *request.images.shape[1:])
            copies = torch.empty(shape, device=device, memory_format=torch.channels_last)
            # Copies of an image are adjacent, so that the image is read in place, not gathered.
            for image in range(first // samples, -(-last // samples)):
                start, stop = max(image * samples, first), min((image + 1) * samples, last)
                rows = kept[image][start - image * samples : stop - image * samples]
                share = rows[:, self.labels[image]][:, None]
                into = copies[start - first : stop - first]
                torch.lerp(self.fill[image], request.images[image], share, out=into)
            return copies

        found = copy_scores(request, owner, take_away)
        return kept, found.view(len(kept), samples, -1)

    def spread(self, values: list[torch.Tensor]) -> torch.Tensor:
        """Maps (B, T, H, W) float32 of values, B of (T, F), divided among the piece's pixels."""
        maps = []
        for labels, value in zip(self.labels, values, strict=True):
            size = torch.bincount(labels.flatten()).to(value)
            maps.append((value / size)[:, labels])
        return torch.stack(maps).float()
