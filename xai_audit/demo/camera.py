"""From light to file: exposure, white balance, vignette, tone, softness, sensor noise, JPEG."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from xai_audit.demo import colour

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Camera:
    """One shot's settings; `seed` draws its noise."""

    exposure: float
    balance: Array
    vignette: float
    contrast: float
    blur: float
    noise: float
    quality: int
    seed: int


def draw_camera(rng: np.random.Generator) -> Camera:
    """Return the settings of one photo; no class has its own."""
    warm, green = rng.normal(0.0, 0.07), rng.normal(0.0, 0.02)
    return Camera(
        exposure=float(np.exp(rng.normal(0.1, 0.15))),
        balance=np.array([1.0 + warm, 1.0 + green, 1.0 - warm], dtype=np.float32),
        vignette=float(rng.uniform(0.05, 0.4)),
        contrast=float(rng.uniform(0.0, 0.35)),
        blur=float(rng.uniform(0.3, 0.75)),
        noise=float(rng.uniform(0.8, 3.5)),
        quality=int(rng.integers(80, 96)),
        seed=int(rng.integers(2**62)),
    )


def develop(linear: Array, camera: Camera) -> Picture:
    """Return the photo (S, S, 3) uint8 of a scene (S, S, 3) float32 in linear light."""
    axis = np.linspace(-1.0, 1.0, linear.shape[0], dtype=np.float32)
    falloff = 1.0 - camera.vignette * 0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2)
    exposed = linear * (camera.exposure * falloff)[..., None] * camera.balance
    # A soft shoulder keeps white petals from clipping flat.
    toned = np.where(exposed > 0.6, 0.6 + 0.4 * np.tanh((exposed - 0.6) / 0.4), exposed)
    levels = colour.to_srgb(toned) / 255.0
    levels = levels + camera.contrast * (levels * levels * (3.0 - 2.0 * levels) - levels)
    picture = Image.fromarray(np.rint(255.0 * levels).astype(np.uint8))
    return _with_noise(np.asarray(picture.filter(ImageFilter.GaussianBlur(camera.blur))), camera)


def _with_noise(picture: Picture, camera: Camera) -> Picture:
    """Return the picture with grain.

    A pixel's grain depends on its own level and a fixed draw only, so an edit elsewhere leaves it.
    """
    rng = np.random.Generator(np.random.PCG64(camera.seed))
    height, width, _ = picture.shape
    shot = rng.standard_normal((height, width), dtype=np.float32)
    tint = (
        rng.standard_normal((height // 2, width // 2, 3), dtype=np.float32)
        .repeat(2, 0)
        .repeat(2, 1)
    )
    level = picture.astype(np.float32)
    strength = camera.noise * (0.6 + 0.7 * np.sqrt(level / 255.0))
    grain = strength * (shot[..., None] + 0.5 * tint)
    noisy: Picture = np.clip(np.rint(level + grain), 0, 255).astype(np.uint8)
    return noisy


def encode(photo: Picture, quality: int) -> bytes:
    """Return the photo as a JPEG file with 4:2:0 chroma, as cameras write."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=quality, subsampling=2)
    return buffer.getvalue()


def decode(data: bytes) -> Picture:
    """Return the pixels (H, W, 3) uint8 of an encoded photo."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))
