"""Randomness of the methods that depends on the image and the run's seed alone.

Samples of images are drawn by :func:`~xai_audit.run.sample.hash_order` instead. The two hashes stay
two: another one here would change every heatmap of a random method.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def seed_of(seed: int, image_id: str, *more: object) -> int:
    """A 63-bit seed from the run's seed, the image and whatever else distinguishes the draws."""
    text = "\0".join(map(str, (seed, image_id, *more)))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]) >> 1


def rng_of(seed: int, image_id: str, *more: object) -> np.random.Generator:
    """NumPy's generator for one image."""
    return np.random.default_rng(seed_of(seed, image_id, *more))


def normal(like: torch.Tensor, seed: int) -> torch.Tensor:
    """Standard normal noise of the shape, type and device of ``like``."""
    import torch  # the hash alone needs none

    generator = torch.Generator(like.device).manual_seed(seed)
    return torch.empty_like(like, memory_format=torch.contiguous_format).normal_(
        generator=generator
    )
