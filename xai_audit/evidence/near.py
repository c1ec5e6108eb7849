"""Near-duplicate photos by perceptual hash, so that no classifier is tested on what it has seen."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_THUMB = 32
_BITS = 64
# Coefficients below this carry rounding of the 0..255 grey, not content.
_FAINT = 2.0
# With fewer than this the hash says next to nothing, and strangers would share it.
_TELLING = 16
_PRODUCTS = 1 << 24  # of one chunk, 64 MiB in float32


def perceptual_hash(photo: torch.Tensor) -> int:
    """The 64-bit DCT hash of a photo (3, h, w) uint8; near-duplicates differ in few bits.

    Bits say which of the 8 x 8 lowest frequencies of a 32 x 32 grey thumbnail, the constant ones
    left out, exceed their median (Zauner 2010, section 3.2.1). A photo that is flat or a plain
    gradient has no such frequencies; its coarse colours make its hash instead.
    """
    grey = _thumbnail(photo, _THUMB).mean(0)
    low = dctn(grey, norm="ortho")[1:9, 1:9].ravel()
    if (np.abs(low) > _FAINT).sum() < _TELLING:
        coarse = (_thumbnail(photo, 4) // 8).astype(np.uint8)
        return int.from_bytes(hashlib.blake2b(coarse.tobytes(), digest_size=8).digest(), "big")
    bits = np.packbits(low > np.median(low))
    return int.from_bytes(bits.tobytes(), "big")


def _thumbnail(photo: torch.Tensor, side: int) -> NDArray[np.float64]:
    """The photo squashed to (3, side, side), 0..255."""
    small = torch.nn.functional.interpolate(
        photo[None].float(), size=(side, side), mode="bilinear", antialias=True
    )
    thumb: NDArray[np.float64] = small[0].double().numpy()
    return thumb


def near_groups(hashes: Sequence[int], *, distance: int = 6) -> NDArray[np.int64]:
    """A group number (n,) a photo: photos within ``distance`` bits, and theirs, share one.

    Memory grows with n, not its square.
    """
    unique, back = np.unique(np.array(hashes, dtype=np.uint64), return_inverse=True)
    count = len(unique)
    if count == 0:
        return np.empty(0, dtype=np.int64)
    shifts = np.arange(_BITS, dtype=np.uint64)
    signs = np.where(unique[:, None] >> shifts & np.uint64(1), np.float32(1), np.float32(-1))
    pairs = []
    chunk = max(1, _PRODUCTS // count)
    for start in range(0, count, chunk):
        # Signs agree in 64 - d places and differ in d, so their product is 64 - 2 d.
        near = signs[start : start + chunk] @ signs[start:].T >= _BITS - 2 * distance
        pairs.append(np.argwhere(near) + start)
    rows, columns = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    groups: NDArray[np.int64] = group[back].astype(np.int64)
    return groups
