"""The eval transform that timm notes in its modules."""

from __future__ import annotations

import logging
import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

from xai_audit.models._preprocess import INTERPOLATIONS
from xai_audit.types import Preprocess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

log = logging.getLogger(__name__)


def preprocess_of(module: nn.Module, in_chans: object = None) -> Preprocess:
    """The eval transform of timm's own validation, as far as a resize and a centre crop go.

    Args:
        module: that timm has made.
        in_chans: the module's input channels, where they are not what timm notes.
    """
    timm: Any = import_module("timm.data")  # untyped
    data = timm.resolve_model_data_config(module)
    _, height, width = data["input_size"]
    scaled = tuple(math.floor(side / data["crop_pct"]) for side in (height, width))
    if data["crop_mode"] == "border":
        log.warning("timm's crop_mode 'border' is not available: photos are centre-cropped")
    interpolation = data["interpolation"]
    if interpolation not in INTERPOLATIONS:
        log.warning("interpolation %r is not available: bicubic is used", interpolation)
        interpolation = "bicubic"
    return Preprocess(
        resize=(scaled[0], scaled[1]) if data["crop_mode"] == "squash" else max(scaled),
        crop=(height, width),
        mean=_per_channel(data["mean"], in_chans),
        std=_per_channel(data["std"], in_chans),
        interpolation=interpolation,
    )


def _per_channel(colours: Sequence[float], in_chans: object) -> tuple[float, ...]:
    """Timm's numbers of red, green and blue, their mean where the model sees grey."""
    if in_chans == 1:
        return (sum(colours) / len(colours),)
    return tuple(colours)
