"""Superpixels: images in pieces, copies with some removed, their scores, and the fit to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from skimage.segmentation import slic

from xai_audit.methods._limits import one_of, within
from xai_audit.network.copies import BASELINES, baseline, copy_scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xai_audit.types import Preprocess, Request

# The fill of a removed superpixel: a baseline, or the superpixel's own mean colour.
FILLS = ("superpixel", *BASELINES)
SEGMENTERS = ("slic", "grid")
# Colour against closeness, scikit-image's default; SLIC's paper takes 10 for CIELAB, as here.
_COMPACTNESS = 10.0


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


def ridge(
    design: torch.Tensor, scores: torch.Tensor, weight: torch.Tensor, penalty: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients (T, F) float64 and intercept (T,), which is not penalised.

    Args:
        design: (S, F).
        scores: (S, T).
        weight: (S,) of the samples.
        penalty: on the squared coefficients; more than 0 keeps it solvable.
    """
    x, y, w = design.double(), scores.double(), weight.double()[:, None]
    x_mean, y_mean = ((w * each).sum(0) / w.sum() for each in (x, y))
    x, y = x - x_mean, y - y_mean
    gram = x.T @ (w * x) + penalty * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    found = torch.linalg.solve(gram, x.T @ (w * y))  # (F, T)
    return found.T, y_mean - x_mean @ found


def segments(request: Request, segmenter: str, count: int) -> list[torch.Tensor]:
    """Each image's superpixels (H, W) int64, numbered from 0 without gaps, on its device.

    Args:
        request: with the images.
        segmenter: ``slic`` (Achanta et al. 2012, by scikit-image) or ``grid`` of squares.
        count: about how many.
    """
    height, width = request.images.shape[2:]
    if segmenter == "grid":
        cells = torch.from_numpy(_grid(height, width, count)).to(request.images.device)
        return [cells] * len(request.images)
    shown = _shown(request.images, request.model.preprocess)
    found = []
    for image in shown:
        labels = slic(
            image, n_segments=count, compactness=_COMPACTNESS, start_label=0, channel_axis=2
        )
        numbered = np.unique(labels, return_inverse=True)[1].reshape(height, width)
        found.append(torch.from_numpy(numbered.astype(np.int64)).to(request.images.device))
    return found


def _grid(height: int, width: int, count: int) -> NDArray[np.int64]:
    """About ``count`` rectangles of equal sides, as square as they can be."""
    rows = max(round((count * height / width) ** 0.5), 1)
    columns = max(round(count / rows), 1)
    y, x = np.arange(height) * rows // height, np.arange(width) * columns // width
    cells: NDArray[np.int64] = (y[:, None] * columns + x).astype(np.int64)
    return cells


def _shown(images: torch.Tensor, preprocess: Preprocess) -> NDArray[np.float32]:
    """(B, H, W, C) 0..1, without the model's normalisation."""
    mean, std = (images.new_tensor(v)[:, None, None] for v in (preprocess.mean, preprocess.std))
    pixels = (images * std + mean) / (preprocess.scale * 255)
    shown: NDArray[np.float32] = pixels.clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
    return shown


def filled(request: Request, kinds: list[torch.Tensor]) -> torch.Tensor:
    """(B, C, H, W): each superpixel in its own mean colour."""
    flat = request.images.flatten(2)
    means = torch.empty_like(flat)
    for image, labels, into in zip(flat, kinds, means, strict=True):
        size = torch.bincount(labels.flatten()).to(image.dtype)
        total = image.new_zeros((len(image), len(size))).index_add_(1, labels.flatten(), image)
        into.copy_((total / size)[:, labels.flatten()])
    return means.view_as(request.images)
