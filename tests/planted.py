"""Photos on which two ways of decoding would differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

UPRIGHT = (40, 60)


def plant(folder: Path) -> list[Path]:
    """Alpha, palettes, CMYK, 16 bits, floats and every EXIF orientation, as files in ``folder``.

    No two names are alike but for their suffix.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 256, (5, 6, 3)), np.ones((8, 10, 1))).astype(np.uint8)
    alpha = rng.integers(0, 256, UPRIGHT, dtype=np.uint8)
    grey = blocks[..., 0]
    palette = Image.fromarray(blocks).quantize(16)
    ink = np.dstack([blocks, grey])
    images = {
        "rgba.png": (Image.fromarray(np.dstack([blocks, alpha])), {}),
        "la.png": (Image.fromarray(np.dstack([grey, alpha])), {}),
        "palette.png": (palette, {"transparency": bytes(range(0, 256, 16))}),
        "palette_gif.gif": (palette, {"transparency": 3}),
        "rgba_webp.webp": (Image.fromarray(np.dstack([blocks, alpha])), {"lossless": True}),
        "cmyk.tif": (Image.fromarray(ink, "CMYK"), {}),
        "cmyk_jpg.jpg": (Image.fromarray(ink, "CMYK"), {"quality": 95}),
        "deep.png": (Image.fromarray(grey.astype(np.uint16) * 257), {}),
        "deep_tif.tif": (Image.fromarray(grey.astype(np.int32) * 200), {}),
        "float.tif": (Image.fromarray(grey.astype(np.float32) / 255), {}),
    }
    for turned in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turned
        stored = blocks if turned < 5 else blocks.swapaxes(0, 1)
        for end in ("jpg", "png", "tif"):
            images[f"turned_{turned}_{end}.{end}"] = (Image.fromarray(stored), {"exif": exif})
    for name, (image, options) in images.items():
        image.save(folder / name, **options)
    return [folder / name for name in images]
