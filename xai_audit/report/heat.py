"""A heatmap laid over its photo, exactly where the model saw it, and its colours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xai_audit.vision.geometry import Geometry

# What the model never saw keeps this share of its brightness.
_DIM = 0.4
# "plasma" by Stefan van der Walt and Nathaniel Smith, dedicated to the public domain (CC0), in 256
# steps of red, green and blue. It is perceptually uniform, and its purple is rarer in photos than
# the black of inferno and magma.
_PLASMA = (
    "0d088710078813078916078a19068c1b068d1d068e20068f2206902406912605912805922a05932c05942e0595"
    "2f059631059733059735049837049938049a3a049a3c049b3e049c3f049c41049d43039e44039e46039f48039f"
    "4903a04b03a14c02a14e02a25002a25102a35302a35502a45601a45801a45901a55b01a55c01a65e01a66001a6"
    "6100a76300a76400a76600a76700a86900a86a00a86c00a86e00a86f00a87100a87201a87401a87501a87701a8"
    "7801a87a02a87b02a87d03a87e03a88004a88104a78305a78405a78606a68707a68808a68a09a58b0aa58d0ba5"
    "8e0ca48f0da4910ea3920fa39410a29511a19613a19814a099159f9a169f9c179e9d189d9e199da01a9ca11b9b"
    "a21d9aa31e9aa51f99a62098a72197a82296aa2395ab2494ac2694ad2793ae2892b02991b12a90b22b8fb32c8e"
    "b42e8db52f8cb6308bb7318ab83289ba3388bb3488bc3587bd3786be3885bf3984c03a83c13b82c23c81c33d80"
    "c43e7fc5407ec6417dc7427cc8437bc9447aca457acb4679cc4778cc4977cd4a76ce4b75cf4c74d04d73d14e72"
    "d24f71d35171d45270d5536fd5546ed6556dd7566cd8576bd9586ada5a6ada5b69db5c68dc5d67dd5e66de5f65"
    "de6164df6263e06363e16462e26561e26660e3685fe4695ee56a5de56b5de66c5ce76e5be76f5ae87059e97158"
    "e97257ea7457eb7556eb7655ec7754ed7953ed7a52ee7b51ef7c51ef7e50f07f4ff0804ef1814df1834cf2844b"
    "f3854bf3874af48849f48948f58b47f58c46f68d45f68f44f79044f79143f79342f89441f89540f9973ff9983e"
    "f99a3efa9b3dfa9c3cfa9e3bfb9f3afba139fba238fca338fca537fca636fca835fca934fdab33fdac33fdae32"
    "fdaf31fdb130fdb22ffdb42ffdb52efeb72dfeb82cfeba2cfebb2bfebd2afebe2afec029fdc229fdc328fdc527"
    "fdc627fdc827fdca26fdcb26fccd25fcce25fcd025fcd225fbd324fbd524fbd724fad824fada24f9dc24f9dd25"
    "f8df25f8e125f7e225f7e425f6e626f6e826f5e926f5eb27f4ed27f3ee27f3f027f2f227f1f426f1f525f0f724"
    "f0f921"
)
# Share of colour over photo where the relevance is 0 and where it is at the image's maximum; the
# exponent keeps weak relevance from veiling the photo.
_OPACITY = 0.78
_OPACITY_POWER = 1.3


@dataclass(frozen=True)
class Sampling:
    """How the pixels drawn along one side sample a heatmap's side.

    Attributes:
        low: (pixels,) the cell before each pixel's centre.
        high: (pixels,) the cell behind it.
        share: (pixels,) float32, weight of ``high``; ``low`` has the rest.
        seen: the run of pixels inside the model's view.
    """

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: NDArray[np.float32]
    seen: slice


def sampling(
    pixels: int, to_view: tuple[float, float], *, photo: int, crop: int, grid: int
) -> Sampling:
    """How ``pixels`` drawn along one side of the whole photo sample a heatmap over the view.

    Pixel centres are half a pixel from their corners on both sides, and the grid's outermost
    half cells are extended outwards: ``F.interpolate(mode="bilinear", align_corners=False)``.

    Args:
        pixels: drawn along this side of the whole photo.
        to_view: where the photo's px 0 and px 1 land in the view.
        photo: the photo's side, px.
        crop: the view's side, px.
        grid: the heatmap's side, cells.
    """
    start, step = to_view[0], to_view[1] - to_view[0]
    at = start + step * (np.arange(pixels) + 0.5) * photo / pixels
    inside = np.flatnonzero((at >= 0) & (at < crop))
    # A crop is one rectangle, so the pixels seen are one run.
    seen = slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)
    cell = np.clip(at * grid / crop - 0.5, 0, grid - 1)
    low = np.floor(cell).astype(np.intp)
    return Sampling(low, np.minimum(low + 1, grid - 1), (cell - low).astype(np.float32), seen)


def upsampled(
    heatmap: NDArray[np.float32], down: Sampling, across: Sampling
) -> NDArray[np.floating]:
    """The heatmap (h, w) at the pixels seen, bilinear."""
    seen, share = down.seen, down.share[down.seen, None]
    rows = heatmap[down.low[seen]] * (1 - share) + heatmap[down.high[seen]] * share
    seen, share = across.seen, across.share[across.seen]
    return rows[:, across.low[seen]] * (1 - share) + rows[:, across.high[seen]] * share


def samplings(
    size: tuple[int, int], geometry: Geometry, grid: tuple[int, int]
) -> tuple[Sampling, Sampling]:
    """How the rows and the columns of a whole photo drawn at ``size`` sample a heatmap.

    Args:
        size: (height, width) as drawn, px.
        geometry: of the photo as stored.
        grid: (h, w) of the heatmap, cells.
    """
    origin, unit = geometry.to_view(0, 0), geometry.to_view(1, 1)
    down, across = (
        sampling(
            pixels,
            (origin[side], unit[side]),
            photo=geometry.photo[side],
            crop=geometry.crop[side],
            grid=grid[side],
        )
        for side, pixels in enumerate(size)
    )
    return down, across


def on_photo(heatmap: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """The heatmap (h, w) on the photo as stored (H, W), bilinear; NaN where the model saw none."""
    down, across = samplings(geometry.photo, geometry, (heatmap.shape[0], heatmap.shape[1]))
    found = np.full(geometry.photo, np.nan, np.float32)
    found[down.seen, across.seen] = upsampled(heatmap, down, across)
    return found


def paint(
    photo: Image.Image, heatmap: NDArray[np.floating] | None, geometry: Geometry
) -> Image.Image:
    """``photo`` under its heatmap, what the model never saw dimmed.

    Args:
        photo: the whole photo in RGB, scaled to any size.
        heatmap: relevance (h, w) over the model's view, scaled here by its own maximum; None or
            no positive value leaves the photo as it is.
        geometry: of the photo as stored.
    """
    grid = (1, 1) if heatmap is None else (heatmap.shape[0], heatmap.shape[1])
    down, across = samplings((photo.height, photo.width), geometry, grid)
    box = (across.seen.start, down.seen.start, across.seen.stop, down.seen.stop)
    painted = photo.point([int(_DIM * value) for value in range(256)] * 3)
    painted.paste(photo.crop(box), box[:2])
    strength = _strength(heatmap)
    if strength is not None and box[0] < box[2] and box[1] < box[3]:
        level = np.round(255 * upsampled(strength, down, across)).astype(np.uint8)
        colour, opacity = palette()
        heat = Image.fromarray(level)
        shade = heat.point(opacity.tolist())
        heat.putpalette(colour.tobytes())
        painted.paste(heat.convert("RGB"), box[:2], shade)
    return painted


def _strength(heatmap: NDArray[np.floating] | None) -> NDArray[np.float32] | None:
    """Relevance as a share of its maximum, for display only; None where there is none."""
    if heatmap is None:
        return None
    relevance = np.nan_to_num(heatmap.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    most = relevance.max(initial=0.0)
    return np.clip(relevance / most, 0, 1) if most > 0 else None


@lru_cache(maxsize=1)
def palette() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Colour (256, 3) and opacity (256,) by relevance, uint8."""
    colour = np.frombuffer(bytes.fromhex("".join(_PLASMA)), np.uint8).reshape(256, 3)
    level = np.linspace(0.0, 1.0, 256)
    return colour, np.round(255 * _OPACITY * level**_OPACITY_POWER).astype(np.uint8)


def css_gradient() -> str:
    """The palette as the stops of a CSS gradient, none to most, as if over mid-grey."""
    colour, opacity = palette()
    share = opacity[:, None] / 255
    over = np.round(colour * share + 128 * (1 - share)).astype(int)
    stops = [f"rgb({r},{g},{b})" for r, g, b in over[[0, 32, 64, 96, 128, 160, 192, 224, 255]]]
    return ", ".join(stops)
