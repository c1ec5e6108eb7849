"""Samples and seeds: chance that depends on the run's seed and the image alone, not on any order.

The two hashes stay two: one for both would change every sample, or every heatmap of a random
method.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xai_audit.schema import OK

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


def drawn(rows: pa.Table, limit: int, seed: int) -> pa.Table:
    """A sample of at most ``limit`` usable rows of a manifest, each class its share, in order."""
    usable = pc.equal(rows.column("status"), OK).to_numpy(zero_copy_only=False)
    limit = min(limit, int(usable.sum()))
    if not limit:
        return rows.slice(0, 0)
    return rows.filter(pa.array(stratified(rows, usable, limit, seed))).combine_chunks()


def stratified(table: pa.Table, usable: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """The rows (bool) of a sample of ``limit``: each class has its share, by largest remainders.

    The rank of an image is a hash of the seed and its id, so that a larger limit keeps the
    smaller one's images of every class.
    """
    rows = np.flatnonzero(usable)
    chosen = table.select(["image_id", "class_name"]).filter(pa.array(usable))
    classes, sizes = _numbered(chosen.column("class_name"))
    ids = chosen.column("image_id").to_pylist()
    ranks = np.array([hash_order(seed, image_id) for image_id in ids], dtype=np.uint64)
    order = np.lexsort((ranks, classes))  # class by class, each in the order of its ranks
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = order[place < np.repeat(_quotas(sizes, limit), sizes)]
    found = np.zeros(len(usable), dtype=bool)
    found[rows[kept]] = True
    return found


def _numbered(names: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The number (n,) of each row's class in the order of the names, and the size of each class."""
    coded = pc.fill_null(names, "None").combine_chunks().dictionary_encode()
    order = np.argsort(np.array(coded.dictionary.to_pylist(), dtype=object), kind="stable")
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    classes = number[coded.indices.to_numpy()]
    return classes, np.bincount(classes, minlength=len(order))


def per_class(frames: Iterable[pd.DataFrame], limit: int, seed: int) -> pd.DataFrame:
    """A sample of at most ``limit`` images of every class, by class and image id.

    An image's rank is :func:`hash_order` of the seed and its id, so neither the order of the rows
    nor their split into frames matters. Held are ``limit`` rows a class, whatever is read.

    Args:
        frames: with ``image_id``, ``class_name`` and any other columns; rows without a class are
            left out, of an image that comes twice the first row is taken.
        limit: of the images of a class.
        seed: of the draw.
    """
    import pandas as pd

    kept = pd.DataFrame({"image_id": [], "class_name": []}, dtype=object)
    for frame in frames:
        named = frame[frame["class_name"].notna()].drop_duplicates(["image_id", "class_name"])
        ranks = [hash_order(seed, image_id) for image_id in named["image_id"]]
        ranked = named.assign(rank=np.array(ranks, dtype=np.uint64))
        both = pd.concat([kept, ranked]) if len(kept) else ranked
        both = both.drop_duplicates(["image_id", "class_name"]).sort_values(["rank", "image_id"])
        kept = both.groupby("class_name", observed=True).head(limit)
    kept = kept.sort_values(["class_name", "image_id"], ignore_index=True)
    return kept.drop(columns="rank", errors="ignore")


def _quotas(sizes: np.ndarray, limit: int) -> np.ndarray:
    """Images of each class in a sample of ``limit``, proportional, by largest remainders."""
    exact = sizes * min(limit, int(sizes.sum())) / sizes.sum()
    quotas: np.ndarray = np.floor(exact).astype(int)
    left = min(limit, int(sizes.sum())) - int(quotas.sum())
    quotas[np.argsort(-(exact - quotas), kind="stable")[:left]] += 1
    return quotas


def hash_order(seed: int, *texts: str) -> int:
    """A seeded 64-bit hash; sorting by it draws the same sample whatever the input's order."""
    # surrogatepass: an id may hold what is no text.
    text = "/".join((str(seed), *texts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def seed_of(seed: int, image_id: str, *more: object) -> int:
    """A 63-bit seed from the run's seed, the image and whatever else distinguishes the draws."""
    text = "\0".join(map(str, (seed, image_id, *more)))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]) >> 1


def rng_of(seed: int, image_id: str, *more: object) -> np.random.Generator:
    """NumPy's generator for one image."""
    return np.random.default_rng(seed_of(seed, image_id, *more))
