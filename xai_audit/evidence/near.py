"""Photos that are not independent: near-duplicates by perceptual hash, and those of one group."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import radius_neighbors_graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_THUMB = 32
# Coefficients below this carry rounding of the 0..255 grey, not content.
_FAINT = 2.0
# With fewer such coefficients the hash is uninformative: different photos would share it.
_TELLING = 16


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

    Memory grows with n and the number of near pairs, not with n squared.
    """
    unique, back = np.unique(np.array(hashes, dtype=np.uint64), return_inverse=True)
    if not len(unique):
        return np.empty(0, dtype=np.int64)
    bits = np.unpackbits(unique[:, None].view(np.uint8), axis=1).astype(np.float32)
    # The squared Euclidean distance of bits is the number that differ; scikit-learn's is several
    # times faster than its Hamming distance. The half bit is a margin for rounding.
    graph = radius_neighbors_graph(bits, math.sqrt(distance + 0.5))
    _, group = connected_components(graph, directed=False)
    groups: NDArray[np.int64] = group[back].astype(np.int64)
    return groups


def clusters(near: NDArray[np.int64], names: Sequence[str | None]) -> NDArray[np.int64]:
    """A cluster number (n,) a photo: near-duplicates and photos of one group share one.

    So do all that are joined through others: a near-duplicate in two hospitals joins the two.
    A group may have photos of several classes, as a hospital or a camera has.

    Args:
        near: (n,) number of each photo's near-duplicates.
        names: the dataset's own group of each photo, or None.
    """
    known = np.array([name is not None for name in names], dtype=bool)
    if not known.any():
        return near
    _, group = np.unique([name for name in names if name is not None], return_inverse=True)
    # A graph of near-duplicates and groups; every photo of a group joins one of each.
    first, count = int(near.max()) + 1, int(near.max() + group.max()) + 2
    edges = coo_array((np.ones(len(group)), (near[known], first + group)), (count, count))
    _, component = connected_components(edges, directed=False)
    _, found = np.unique(component[near], return_inverse=True)
    return found.astype(np.int64)
