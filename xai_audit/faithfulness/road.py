"""ROAD: the fall of the probability when the most, or the least, relevant pixels are removed.

Source: Rong et al. 2022, "A consistent and efficient evaluation strategy for attribution methods",
noisy linear imputation (section 4) and its two orders, most and least relevant first.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu
from torch.utils.data import Dataset

from xai_audit.faithfulness.curves import copy_probabilities
from xai_audit.run.sample import rng_of
from xai_audit.vision.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from xai_audit.types import Request

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
# Weights of the paper: neighbours at a side, neighbours at a corner.
_SIDE, _CORNER = 1 / 6, 1 / 12
_NEIGHBOURS = [
    (dy, dx, _CORNER if dy and dx else _SIDE) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx
]
# Standard deviation of the noise, in units of the normalised pixel.
_NOISE = 0.01


def imputed(
    image: NDArray[np.float32], removed: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """``image`` (C, H, W) with each removed pixel set to its neighbours' weighted mean plus noise.

    Removed neighbours are unknowns too: one sparse linear system an image. Neighbours that lie
    outside the image have no weight. Unknowns are eliminated by nested dissection, in half
    the time that SuperLU takes with its ordering by minimum degree.

    Args:
        image: normalised.
        removed: (H, W), not all of it.
        rng: of the noise.
    """
    count = int(removed.sum())
    if not count:
        return image
    height, width = removed.shape
    y, x = np.nonzero(removed)
    order = np.argsort(_dissected(height, width)[y, x])
    y, x = y[order], x[order]
    number = np.full((height, width), -1, dtype=np.int32)
    number[y, x] = np.arange(count)
    total, known = np.zeros(count), np.zeros((count, len(image)))
    rows, columns, values = [np.arange(count)], [np.arange(count)], []
    for dy, dx, weight in _NEIGHBOURS:
        near_y, near_x = y + dy, x + dx
        here = (near_y >= 0) & (near_y < height) & (near_x >= 0) & (near_x < width)
        own, near_y, near_x = np.flatnonzero(here), near_y[here], near_x[here]
        total[own] += weight
        unknown = number[near_y, near_x]
        known[own] += np.where(unknown[:, None] < 0, weight * image[:, near_y, near_x].T, 0)
        rows.append(own[unknown >= 0])
        columns.append(unknown[unknown >= 0])
        values.append(np.full(len(rows[-1]), -weight))
    entries = np.concatenate([total, *values]), (np.concatenate(rows), np.concatenate(columns))
    # Symmetric and positive definite: no pivoting.
    solver = splu(
        csc_array(entries, shape=(count, count)),
        permc_spec="NATURAL",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    found = image.copy()
    found[:, y, x] = solver.solve(known).T
    found[:, removed] += _NOISE * rng.standard_normal((len(image), count))
    return found


@lru_cache(maxsize=4)
def _dissected(height: int, width: int) -> NDArray[np.int32]:
    """(H, W), when each pixel of a grid is eliminated: each half before the line between them.

    Halves that only their line joins do not fill each other's rows, whichever pixels of them are
    unknown. Source: George 1973, "Nested dissection of a regular finite element mesh".
    """
    turn = np.empty((height, width), np.int32)
    open_, last = [turn], turn.size
    while open_:
        piece = open_.pop()
        long = piece if piece.shape[0] >= piece.shape[1] else piece.T
        middle = len(long) // 2
        line = long[middle]
        last -= len(line)
        line[:] = np.arange(last, last + len(line))
        open_ += [half for half in (long[:middle], long[middle + 1 :]) if half.size]
    return turn


def road(request: Request, places: torch.Tensor, *, seed: int, num_workers: int) -> torch.Tensor:
    """(LeRF - MoRF) / 2 (B,): -0.5..0.5, high is good, 0 is the mean of a random order.

    LeRF and MoRF are the mean probabilities left with 10, 30, 50, 70 and 90 % of the pixels
    removed, least and most relevant first.

    Args:
        request: of one target.
        places: (B, H, W) int64, 0 the most relevant pixel.
        seed: of the run.
        num_workers: processes that impute, which takes as long as a forward.
    """
    removals = _Removals(
        request.images.float().cpu().numpy(), places.cpu().numpy(), request.image_ids, seed
    )
    filled: Iterator[torch.Tensor] = iter(
        Workers(removals, num_workers=num_workers, batch_bytes=4 * request.images[0].numel())
    )

    def make(some: slice) -> torch.Tensor:
        copies = [next(filled) for _ in range(*some.indices(len(removals)))]
        return torch.stack(copies).to(request.images.device)

    owner = torch.arange(len(places), device=places.device).repeat_interleave(2 * len(SHARES))
    left = copy_probabilities(request, owner, make)
    least, most = left.view(len(places), len(SHARES), 2).mean(1).unbind(1)
    return (least - most) / 2


class _Removals(Dataset[torch.Tensor]):
    """Each image with each share removed, the least and then the most relevant pixels."""

    def __init__(
        self,
        images: NDArray[np.float32],
        places: NDArray[np.int64],
        image_ids: Sequence[str],
        seed: int,
    ) -> None:
        self._images, self._places, self._ids, self._seed = images, places, image_ids, seed

    def __len__(self) -> int:
        return len(self._images) * len(SHARES) * 2

    def __getitem__(self, index: int) -> torch.Tensor:
        row, rest = divmod(index, len(SHARES) * 2)
        share, most = SHARES[rest // 2], rest % 2
        places = self._places[row]
        count = round(share * places.size)
        removed = places < count if most else places >= places.size - count
        rng = rng_of(self._seed, self._ids[row], "road", share, most)
        return torch.from_numpy(imputed(self._images[row], removed, rng))
