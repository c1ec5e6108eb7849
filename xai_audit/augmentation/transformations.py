"""How photos are changed, and how a map of the changed photo is carried back onto the photo.

Geometry moves pixels, of photos and maps alike, and has an inverse; a look changes the pixels'
values and leaves maps where they are. Pixels of the photo that the changed one does not show have
no map: :func:`carried_back` says which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

Draws = Sequence[np.random.Generator]
Move = Callable[[torch.Tensor, float], torch.Tensor]

# A pixel is seen where at least this much of what it is interpolated from is.
_SEEN = 0.999


@dataclass(frozen=True)
class Geometry:
    """Moves pixels.

    Attributes:
        forward: photos (B, 3, H, W) uint8 or maps (B, 1, H, W) float32, and the strength -> the
            same shape and dtype.
        back: its inverse on maps; 0 where nothing is known.
    """

    forward: Move
    back: Move


@dataclass(frozen=True)
class Look:
    """Changes the values of pixels.

    Attributes:
        change: photos (B, 3, H, W) uint8, the strength and a generator a photo -> the same shape.
    """

    change: Callable[[torch.Tensor, float, Draws], torch.Tensor]


def augmented(name: str, strength: float, photos: torch.Tensor, draws: Draws) -> torch.Tensor:
    """The photos (B, 3, H, W) uint8 under an augmentation; ``draws`` has a generator for each."""
    transformation = TRANSFORMATIONS[name]
    if isinstance(transformation, Look):
        return transformation.change(photos, strength, draws)
    return transformation.forward(photos, strength)


def moved(name: str, strength: float, maps: torch.Tensor) -> torch.Tensor:
    """``maps`` (B, H, W) of photos as they would be if they moved with the photos' pixels."""
    transformation = TRANSFORMATIONS[name]
    if isinstance(transformation, Look):
        return maps
    return transformation.forward(maps[:, None], strength)[:, 0]


def carried_back(
    name: str, strength: float, maps: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """``maps`` (B, H, W) of changed photos on the photos, and which pixels (H, W) both show."""
    transformation = TRANSFORMATIONS[name]
    if isinstance(transformation, Look):
        return maps, torch.ones_like(maps[0], dtype=torch.bool)
    whole = torch.ones_like(maps[:1, None])
    seen = transformation.back(whole, strength)[0, 0] >= _SEEN
    return transformation.back(maps[:, None], strength)[:, 0], seen


def _flipped(images: torch.Tensor, _strength: float) -> torch.Tensor:
    flipped: torch.Tensor = tv.horizontal_flip(images)
    return flipped


def _box(images: torch.Tensor, cut: float) -> tuple[int, int, int, int]:
    """Top, left, height and width of the middle, ``cut`` of each side left out."""
    height, width = images.shape[-2:]
    kept = max(round(height * (1 - cut)), 1), max(round(width * (1 - cut)), 1)
    return (height - kept[0]) // 2, (width - kept[1]) // 2, *kept


def _cropped(images: torch.Tensor, cut: float) -> torch.Tensor:
    size = list(images.shape[-2:])
    cropped: torch.Tensor = tv.resized_crop(images, *_box(images, cut), size, antialias=True)
    return cropped


def _uncropped(maps: torch.Tensor, cut: float) -> torch.Tensor:
    top, left, height, width = _box(maps, cut)
    right, bottom = maps.shape[-1] - left - width, maps.shape[-2] - top - height
    small = tv.resize(maps, [height, width], antialias=True)
    padded: torch.Tensor = tv.pad(small, [left, top, right, bottom])
    return padded


def _rotated(images: torch.Tensor, degrees: float) -> torch.Tensor:
    """The corners that come into view show the image's mirror image, not black."""
    height, width = images.shape[-2:]
    if degrees % 180 == 0 or (height == width and degrees % 90 == 0):
        return _turned(images, degrees)
    side = math.ceil(math.hypot(height, width))
    beside = [(side - width + 1) // 2, (side - height + 1) // 2]
    mode = "reflect" if beside[0] < width and beside[1] < height else "edge"
    turned = _turned(tv.pad(images, beside, padding_mode=mode), degrees)
    middle: torch.Tensor = turned[..., beside[1] :, beside[0] :][..., :height, :width]
    return middle


def _turned(images: torch.Tensor, degrees: float) -> torch.Tensor:
    turned: torch.Tensor = tv.rotate(images, degrees, interpolation=InterpolationMode.BILINEAR)
    return turned


def _coloured(photos: torch.Tensor, most: float, draws: Draws) -> torch.Tensor:
    found = []
    for photo, rng in zip(photos, draws, strict=True):
        light, contrast, saturation = rng.uniform(1 - most, 1 + most, 3).tolist()
        lit = tv.adjust_contrast(tv.adjust_brightness(photo, light), contrast)
        found.append(tv.adjust_saturation(lit, saturation))
    return torch.stack(found)


def _blurred(photos: torch.Tensor, deviation: float, _draws: Draws) -> torch.Tensor:
    pixels = deviation * min(photos.shape[-2:]) / 224
    if pixels <= 0:
        return photos
    reach = min(math.ceil(3 * pixels), min(photos.shape[-2:]) - 1)
    blurred: torch.Tensor = tv.gaussian_blur(photos, [2 * reach + 1] * 2, [pixels] * 2)
    return blurred


def _noised(photos: torch.Tensor, deviation: float, draws: Draws) -> torch.Tensor:
    noise = torch.stack(
        [torch.from_numpy(rng.normal(0.0, deviation, tuple(photos.shape[1:]))) for rng in draws]
    )
    return (photos.double() + noise).round().clamp(0, 255).to(torch.uint8)


# By the names of ``names.STRENGTHS``.
TRANSFORMATIONS: dict[str, Geometry | Look] = {
    "flip": Geometry(_flipped, _flipped),
    "crop": Geometry(_cropped, _uncropped),
    "rotate": Geometry(_rotated, lambda maps, degrees: _turned(maps, -degrees)),
    "colour": Look(_coloured),
    "blur": Look(_blurred),
    "noise": Look(_noised),
}
