"""Training photos whose surroundings come from other photos, so that these say nothing of a class.

What a model cannot learn it does not rely on. A shortcut is a cue that comes with one class; here
each photo keeps its object and takes its surroundings, or their border and corners, from photos of
classes drawn at random, as ImageNet-9's Mixed-Rand does for a test (Xiao et al. 2021, "Noise or
signal"). In a training loop::

    for photos, labels, objects in loader:  # objects: (B, 1, H, W), 1 on the object
        loss = cross_entropy(model(normalise(mixed(photos, objects, rng=rng))), labels)

The donors of a batch are its own photos, so a batch should hold all classes alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from xai_audit.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

# An object's shadow and halo reach this far, as a share of the shorter side.
_HALO = 0.03


def mixed(
    photos: torch.Tensor,
    objects: torch.Tensor | None = None,
    *,
    rng: np.random.Generator,
    share: float = 1.0,
    border: tuple[float, float] = (0.04, 0.12),
    corner: tuple[float, float] = (0.15, 0.3),
) -> torch.Tensor:
    """``photos`` (B, C, H, W) float32 of which each keeps its object, where it is and as it is.

    In turn: the whole background of one donor (only where ``objects`` are given), the border of
    another and each corner of others. A donor is any photo of the batch, its own object filled with
    what surrounds it: with donors of *other* classes alone a cue would say which class it is not.
    Labels stay as they are.

    Args:
        photos: (B, C, H, W) of any range, left as they are.
        objects: (B, 1, H, W), 1 on the object, 0 elsewhere; None: border and corners are replaced
            whatever they show.
        rng: draws donors and sizes.
        share: of the photos that get a background, a border, a corner, drawn for each alone. Below
            1 a shortcut still comes with its class in the others, and is learned from them.
        border: least and largest width of the border, as shares of the shorter side.
        corner: the same of the sides of corners.

    Raises:
        ConfigError: ``objects`` are not 0 to 1.
    """
    if objects is not None and not 0 <= objects.min() <= objects.max() <= 1:
        raise ConfigError(
            "masks of objects are 1 on the object and 0 elsewhere", where="mixed(objects=)",
            expected="0 to 1", got=f"{objects.min():g} to {objects.max():g}",
            remedy="divide masks of 0 and 255 by 255",
        )  # fmt: skip
    given = photos.float()
    keep = torch.zeros_like(given[:, :1]) if objects is None else objects.to(given)
    around = 1.0 - keep
    donors = given if objects is None else emptied(given, keep)
    places = [] if objects is None else [torch.ones_like(keep)]
    places += [_borders(given, border, rng), *_corners(given, corner, rng)]
    out = given
    for place in places:
        chosen = torch.from_numpy(rng.random(len(given)) < share).to(given)[:, None, None, None]
        donor = donors[torch.from_numpy(rng.permutation(len(given))).to(given.device)]
        out = torch.lerp(out, donor, place * around * chosen)
    return out


def recoloured(
    photos: torch.Tensor, *, rng: np.random.Generator, spread: float = 0.05
) -> torch.Tensor:
    """``photos`` (B, C, H, W) float32 with a colour cast each: channels times N(1, ``spread``)."""
    cast = rng.normal(1.0, spread, (*photos.shape[:2], 1, 1))
    return photos * torch.from_numpy(cast).to(photos)


def emptied(photos: torch.Tensor, objects: torch.Tensor) -> torch.Tensor:
    """``photos`` (B, C, H, W) float32 with the object filled from around it, coarse to fine.

    Push and pull of Gortler et al. 1996: averages of the known pixels at each scale, the finest
    that has any. A photo that is object throughout is left as it is.
    """
    reach = max(round(_HALO * min(photos.shape[2:])), 1)
    hole = F.max_pool2d((objects > 0).float(), 2 * reach + 1, 1, reach)
    hole = hole * (hole.amin((1, 2, 3), keepdim=True) < 1)
    return _pulled(photos * (1.0 - hole), 1.0 - hole)


def _pulled(weighted: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Known pixels as they are, the others as the next coarser scale has them."""
    value = weighted / known.clamp(min=1e-6)
    if min(known.shape[2:]) < 2:
        return value
    pooled = [F.avg_pool2d(each, 2, ceil_mode=True) for each in (weighted, known)]
    coarse = F.interpolate(_pulled(*pooled), known.shape[2:], mode="bilinear")
    return torch.where(known > 0, value, coarse)


def _borders(
    photos: torch.Tensor, widths: tuple[float, float], rng: np.random.Generator
) -> torch.Tensor:
    """(B, 1, H, W) float32, 1 within a width of the edges that is drawn for each photo."""
    height, width = photos.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    edge = torch.minimum(torch.minimum(x, width - 1 - x), torch.minimum(y, height - 1 - y))
    deep = torch.from_numpy(rng.uniform(*widths, len(photos))) * min(height, width)
    return (edge.to(photos)[None, None] < deep.to(photos)[:, None, None, None]).to(photos)


def _corners(
    photos: torch.Tensor, sides: tuple[float, float], rng: np.random.Generator
) -> list[torch.Tensor]:
    """For each corner (B, 1, H, W) float32, 1 in a square whose side is drawn for each photo."""
    height, width = photos.shape[2:]
    found = []
    for bottom, right in ((False, False), (False, True), (True, False), (True, True)):
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        far = torch.maximum(height - 1 - y if bottom else y, width - 1 - x if right else x)
        side = torch.from_numpy(rng.uniform(*sides, len(photos))) * min(height, width)
        found.append((far.to(photos)[None, None] < side.to(photos)[:, None, None, None]).to(photos))
    return found
