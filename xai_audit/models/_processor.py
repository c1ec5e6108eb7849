"""The eval transform of an image processor of Hugging Face's, and whether it gives the same pixels.

A processor resizes by its own rule and crops at the centre. That crop is a pixel further up or left
than torchvision's where the margin is odd; any other difference is measured and logged.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import torch

from xai_audit.models._preprocess import PIL_FILTERS
from xai_audit.types import Preprocess
from xai_audit.vision.geometry import view
from xai_audit.vision.transform import to_view

log = logging.getLogger(__name__)

_BILINEAR = 2  # PIL's number
# Sides of the photo that both transforms are compared on: their margins are even.
_PHOTO = (640, 640)
_MOST = 1.0  # grey levels of mean difference; rounding stays far below
_SQUASHED = 384  # ConvNeXt's processor squashes from this size on


def preprocess_of(processor: Any) -> Preprocess:  # noqa: ANN401 - transformers is untyped
    """The resize, centre crop and normalisation of ``processor``."""
    resize, crop = _sides(processor)
    scale = float(processor.rescale_factor) if _does(processor, "rescale") else 1.0
    mean, std = _channels(0), _channels(1)
    if _does(processor, "normalize"):
        mean, std = _channels(processor.image_mean), _channels(processor.image_std)
    # EfficientNet's: pixels less 1, and divided by the standard deviation once more.
    if getattr(processor, "rescale_offset", False):
        mean = tuple(value + 1 for value in mean)
    if getattr(processor, "include_top", False):
        std = tuple(value**2 for value in std)
    given = getattr(processor, "resample", None)
    number = _BILINEAR if given is None else int(given)
    if number not in PIL_FILTERS:
        log.warning("the image processor's filter %d is not available: bicubic is used", number)
    return Preprocess(
        resize=resize,
        crop=crop,
        mean=mean,
        std=std,
        scale=scale,
        interpolation=PIL_FILTERS.get(number, "bicubic"),
    )


def flips_channels(processor: Any) -> bool:  # noqa: ANN401 - transformers is untyped
    """Whether the network sees blue, green, red."""
    return bool(getattr(processor, "do_flip_channel_order", False))


def warn_of_difference(processor: Any, preprocess: Preprocess) -> None:  # noqa: ANN401
    """Log how far the two transforms of one smooth photo are apart, where that is not rounding."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((1, 3, 10, 10), generator=generator) * 255
    smooth = torch.nn.functional.interpolate(coarse, size=_PHOTO, mode="bilinear")
    photo = smooth[0].to(torch.uint8)
    try:
        given = processor(images=photo.permute(1, 2, 0).numpy(), return_tensors="pt")
        theirs = given["pixel_values"][0].float()
    except Exception as exc:  # noqa: BLE001 - a processor of any author's may raise anything
        log.debug("the image processor was not compared: %s: %s", type(exc).__name__, exc)
        return
    ours = to_view(photo, view(_PHOTO, preprocess), preprocess).float()
    ours = ours.flip(0) if flips_channels(processor) else ours
    mean, std = (torch.tensor(v)[:, None, None] for v in (preprocess.mean, preprocess.std))
    if theirs.shape[1:] != ours.shape[1:]:
        log.warning(
            "the image processor's view is %s px, the audit's %s: set model.preprocess.resize and "
            "model.preprocess.crop to what the model was trained with",
            *("x".join(map(str, each.shape[1:])) for each in (theirs, ours)),
        )
        return
    apart = float((theirs * std + mean - ours * preprocess.scale).abs().mean() / preprocess.scale)
    if not apart <= _MOST:
        log.warning(
            "the image processor does more than resize, centre crop and normalise: pixels differ "
            "by %.1f grey levels on average; model.preprocess.KEY changes the audit's transform",
            apart,
        )


def _sides(processor: Any) -> tuple[int | tuple[int, int] | None, tuple[int, int]]:  # noqa: ANN401
    """The resize (shorter side, pair or None) and the crop (height, width), px."""
    size, crop = _size(processor, "size"), _size(processor, "crop_size")
    given = crop if _does(processor, "center_crop") else {}
    kind = type(processor).__name__
    edge, pair = size.get("shortest_edge"), _pair(size)
    resize = edge or pair if _does(processor, "resize") else None
    if edge and resize and kind.startswith("ConvNext"):
        # Its crop is not a step of its own, and has the size's own side.
        if edge >= _SQUASHED:
            return (edge, edge), (edge, edge)
        return int(edge / processor.crop_pct), (edge, edge)
    if edge and resize and kind.startswith("Levit"):
        resize = int(256 / 224 * edge)
    if resize and kind.startswith("PoolFormer"):
        resize = math.floor((edge or min(pair or ())) / processor.crop_pct)
    return resize, _pair(given) or pair or (edge or 224,) * 2


def _does(processor: Any, step: str) -> bool:  # noqa: ANN401
    return bool(getattr(processor, f"do_{step}", False))


def _size(processor: Any, name: str) -> dict[str, int]:  # noqa: ANN401
    """The sides that are given, px: a mapping, or an object of the library's with them."""
    held = getattr(processor, name, None)
    names = ("height", "width", "shortest_edge")
    if isinstance(held, int):
        return {"height": held, "width": held}
    read: Any = held.get if isinstance(held, Mapping) else lambda key: getattr(held, key, None)
    return {key: int(read(key)) for key in names if read(key)}


def _pair(size: Mapping[str, int]) -> tuple[int, int] | None:
    if "height" in size and "width" in size:
        return size["height"], size["width"]
    return None


def _channels(values: Any) -> tuple[float, ...]:  # noqa: ANN401
    if isinstance(values, (int, float)):
        return (float(values),) * 3
    return tuple(float(value) for value in values)
