"""What goes into the model and what its logits mean, in this one place.

uint8 photos go to its device, normalised, in the run's precision. Probabilities come by the head:
softmax: the classes share one probability, exactly one of them is right.
sigmoid: each class has a probability of its own, several may be right (a multi-label model).
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torchvision.transforms.v2 import functional as tv

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from xai_audit.types import LoadedModel

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Inputs:
    """The model's eval transform after the crop, its constants kept on the device.

    Args:
        model: that the input is for.
        precision: ``fp32``, ``bf16`` or ``fp16``.
    """

    def __init__(self, model: LoadedModel, precision: str) -> None:
        self._device, self._dtype = model.device, _AUTOCAST.get(precision)
        self._grey = len(model.preprocess.mean) == 1
        mean, std = torch.tensor(model.preprocess.mean), torch.tensor(model.preprocess.std)
        column = (1, -1, 1, 1)
        self._factor = (model.preprocess.scale / std).view(column).to(model.device)
        self._shift = (mean / std).view(column).to(model.device)

    def normalised(self, photos: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) float32, channels_last, from RGB photos (B, 3, H, W) uint8.

        A model of one channel sees their luma (ITU-R BT.601), which is not rounded.
        """
        images = photos.to(self._device, non_blocking=True)
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return self._seen(images).mul_(self._factor).sub_(self._shift)

    def of_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """The same from RGB pixels (B, 3, H, W) float32 on the device; autograd follows it."""
        return self._seen(pixels) * self._factor - self._shift

    def _seen(self, images: torch.Tensor) -> torch.Tensor:
        """The channels that the model sees of (B, 3, H, W) float32."""
        seen: torch.Tensor = tv.rgb_to_grayscale(images) if self._grey else images
        return seen

    def autocast(self) -> AbstractContextManager[object]:
        """The block in which the forward runs."""
        if self._dtype is None:
            return nullcontext()
        # Frozen weights are never cached; copies that need a gradient would be, one by one.
        return torch.autocast(
            torch.device(self._device).type, dtype=self._dtype, cache_enabled=False
        )


def full(like: torch.Tensor) -> torch.autocast:
    """A block in which autocast on the device of ``like`` is off."""
    return torch.autocast(like.device.type, enabled=False)


HEADS = ("softmax", "sigmoid")


def probabilities(logits: torch.Tensor, head: str) -> torch.Tensor:
    """Each class's probability (B, K), in the dtype of ``logits`` (B, K).

    Args:
        logits: float32 or float64; NaN stays NaN.
        head: of HEADS.
    """
    return logits.sigmoid() if head == "sigmoid" else logits.softmax(1)


def log_odds(logits: torch.Tensor, index: torch.Tensor, head: str) -> torch.Tensor:
    """The log-odds (B,) of the class ``index`` (B,) of each row, never rounded to infinity.

    Args:
        logits: (B, K).
        index: int64.
        head: of HEADS.
    """
    mine = logits.gather(1, index[:, None])[:, 0]
    if head == "sigmoid":
        return mine
    return mine - logits.scatter(1, index[:, None], -torch.inf).logsumexp(1)
