"""Superpixels: the pieces of an image that perturbation methods remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.segmentation import slic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.types import Preprocess, Request

SEGMENTERS = ("slic", "grid")
# Colour against closeness, scikit-image's default; SLIC's paper takes 10 for CIELAB, as here.
_COMPACTNESS = 10.0


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
